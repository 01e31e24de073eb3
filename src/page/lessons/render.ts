import { Marked } from "marked";

/** Markdown whose raw HTML is text, whose links open in a tab of their own, and which has no pictures from elsewhere. */
const markdown = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }) => escapeHtml(text),
    image: ({ text }) => escapeHtml(text),
    link({ href, tokens }) {
      const words = this.parser.parseInline(tokens);
      if (!/^(https?:\/\/|[#?])/i.test(href)) return words;
      return `<a href="${escapeHtml(href)}" target="_blank" rel="noopener noreferrer">${words}</a>`;
    },
  },
});

/** HTML that is safe to put into the page, whoever wrote the Markdown. */
export function renderMarkdown(text: string): string {
  return markdown.parse(text, { async: false });
}

/** A line of Markdown, without a paragraph around it. */
export function renderInline(text: string): string {
  return markdown.parseInline(text, { async: false });
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}
