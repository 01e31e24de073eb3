/**
 * xterm.js writes its cell sizes and colours into `<style>` elements, which a strict `style-src` refuses. Constructed style sheets
 * are allowed, as scripts make them. From this call on, whoever asks `document` for a `<style>` element gets a stand-in whose text
 * goes into such a sheet, so that the page needs no 'unsafe-inline' for style elements. (xterm.js's `documentOverride` option does
 * not do: its viewport asks the window's document in spite of it.) Returns a function that ends this.
 */
export function useConstructedStyles(document: Document): () => void {
  const create = document.createElement.bind(document) as (name: string, options?: unknown) => HTMLElement;
  document.createElement = ((name: string, options?: unknown) =>
    name === "style" ? constructedStyle(document) : create(name, options)) as Document["createElement"];
  return () => {
    // The method of the prototype shows again.
    Reflect.deleteProperty(document, "createElement");
  };
}

/** A template shows nothing and may stand where xterm.js puts it; an empty `<style>` would be refused just as a full one. */
function constructedStyle(document: Document): HTMLElement {
  const element = document.createElement("template");
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "textContent", {
    get: () => "",
    set: (text: string) => sheet.replaceSync(text),
  });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}
