/**
 * xterm.js writes its cell sizes and colours into `<style>` elements, which a strict `style-src` refuses. Constructed style sheets
 * are allowed, as scripts make them. This document hands out `<style>` elements whose text goes into such a sheet instead, so that
 * the page needs no 'unsafe-inline' for style elements.
 */
export function documentWithoutInlineStyles(document: Document): Document {
  return new Proxy(document, {
    get(target, property) {
      if (property === "createElement") {
        return (name: string, options?: ElementCreationOptions) =>
          name === "style" ? constructedStyle(target) : target.createElement(name, options);
      }
      const value: unknown = Reflect.get(target, property, target);
      // Methods and getters of a document insist on being called on the real one.
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function constructedStyle(document: Document): HTMLStyleElement {
  const element = document.createElement("style");
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
