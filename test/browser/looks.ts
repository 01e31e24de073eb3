/** What tests of looks send into a page: what is cut off there, and which words hardly stand out. */

/** Controls and words that are not wholly in the window, words that end at an edge, and a page that is wider than the window. */
export function cutOff(): string[] {
  const found: string[] = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth)
    found.push(`the page is ${root.scrollWidth} px wide, the window ${innerWidth}`);
  if (root.scrollHeight > innerHeight)
    found.push(`the page is ${root.scrollHeight} px high, the window ${innerHeight}`);
  const scope = document.querySelector("dialog[open]") ?? document.body;
  // What can be scrolled sideways is not cut off.
  const scrolls = (element: Element): boolean => {
    for (let at = element.parentElement; at && at !== scope; at = at.parentElement)
      if (at.scrollWidth > at.clientWidth && /auto|scroll/.test(getComputedStyle(at).overflowX)) return true;
    return false;
  };
  for (const element of scope.querySelectorAll<HTMLElement>(
    "button, a:not(.skip-link), input, select, .state-words, .device-panel, " +
      "p, h2, h3, h4, dt, dd, th, td, li, label, summary, pre, svg text",
  )) {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || element.closest(".xterm, .unseen")) continue;
    if ((box.left < -0.5 || box.right > innerWidth + 0.5) && !scrolls(element))
      found.push(`${element.className || element.tagName} from ${box.left} to ${box.right}`);
  }
  for (const element of scope.querySelectorAll<HTMLElement>("*")) {
    const hasWords = [...element.childNodes].some(
      (node) => node.nodeType === Node.TEXT_NODE && node.textContent!.trim() !== "",
    );
    if (!hasWords || element.clientWidth <= 1 || element.closest(".xterm, .unseen, .button-label, select"))
      continue;
    const { overflowX, overflowY, fontSize } = getComputedStyle(element);
    const wide = element.scrollWidth > element.clientWidth + 1 && /hidden|clip/.test(overflowX);
    // Less than half a line is what letters have above and below them.
    const over = element.scrollHeight - element.clientHeight;
    const high = over > parseFloat(fontSize) / 2 && /hidden|clip/.test(overflowY);
    // Whoever points at it, or has it read, gets all of it.
    if ((wide || high) && !element.closest("[title]"))
      found.push(`“${element.innerText.slice(0, 60)}” is cut off in ${element.className || element.tagName}`);
  }
  return found;
}

/** Texts with a contrast below 4.5 to 1 (WCAG 2, 1.4.3), against the nearest ground that is painted. */
export function lowContrast(): string[] {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true })!;
  const colour = (text: string) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data] as [number, number, number, number];
  };
  const luminance = (rgb: number[]) => {
    const [r, g, b] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found: string[] = [];
  for (const element of document.body.querySelectorAll<HTMLElement | SVGElement>(
    "p, h1, h2, h3, h4, button, a, kbd, code, mark, span, dt, dd, th, td, li, label, summary, pre, svg text",
  )) {
    const text = [...element.childNodes].some(
      (node) => node.nodeType === Node.TEXT_NODE && node.textContent!.trim() !== "",
    );
    const style = getComputedStyle(element);
    const disabled = element.closest(":disabled, [aria-disabled=true]") !== null;
    const box = element.getBoundingClientRect();
    if (!text || disabled || box.width <= 1 || style.visibility === "hidden" || element.closest(".xterm"))
      continue;
    let ground: [number, number, number, number] = [0, 0, 0, 0];
    let opacity = 1;
    for (let at: Element | null = element; at; at = at.parentElement) {
      const { backgroundColor, opacity: own } = getComputedStyle(at);
      if (ground[3] < 255) ground = colour(backgroundColor);
      opacity *= Number(own);
    }
    const ink = colour(element instanceof SVGElement ? style.fill : style.color);
    const share = (ink[3] / 255) * opacity;
    const seen = ink.slice(0, 3).map((value, at) => value * share + ground[at]! * (1 - share));
    const [light, dark] = [luminance(seen), luminance(ground.slice(0, 3))].sort((a, b) => b - a);
    const contrast = (light! + 0.05) / (dark! + 0.05);
    if (contrast < 4.5) found.push(`“${element.textContent.slice(0, 60)}”: ${contrast.toFixed(2)}`);
  }
  return found;
}
