/**
 * xterm.js writes its cell sizes and colours into `<style>` elements, which a strict `style-src` refuses. Constructed style sheets
 * are allowed, as scripts make them. From this call on, whoever asks `document` for a `<style>` element gets a stand-in whose text
 * goes into such a sheet, so that the page needs no 'unsafe-inline' for style elements. (xterm.js's `documentOverride` option does
 * not do: its viewport asks the window's document in spite of it.) Returns a function that ends this.
 */
export function useConstructedStyles(document: Document): () => void {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- `bind` sees the overload for elements of the last century
  const create = document.createElement.bind(document);
  const createOrStandIn = (name: string, options?: ElementCreationOptions) =>
    name === "style" ? constructedStyle(create("template")) : create(name, options);
  Object.defineProperty(document, "createElement", { value: createOrStandIn, configurable: true });
  return () => {
    // The method of the prototype shows again.
    Reflect.deleteProperty(document, "createElement");
  };
}

/** A template shows nothing and may stand where xterm.js puts it; an empty `<style>` would be refused just as a full one. */
function constructedStyle(element: HTMLTemplateElement): HTMLElement {
  const document = element.ownerDocument;
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
