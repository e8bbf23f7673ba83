/** Markdown of agents and people, who are not trusted: rendered, cleaned, and never a reason to ask another host. */

import DOMPurify from "dompurify";
import { Marked } from "marked";
import { useEffect, useMemo, useRef } from "preact/hooks";

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    /** HTML of an agent is shown as what it wrote. */
    html: ({ text }) => escaped(text),
    /** An image of another host would tell it who reads this: a link leaves that to the reader. */
    image: ({ href, text }) => `<a href="${escaped(href)}">image: ${escaped(text || href)}</a>`,
  },
});

const ALLOWED = {
  ALLOWED_TAGS: [
    "a", "b", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "input", "li", "ol",
    "p", "pre", "s", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["href", "title", "class", "start", "align", "type", "checked", "disabled"],
  /** No addresses: without this the expression below is asked about them, too, and a list's `start` is lost. */
  ADD_URI_SAFE_ATTR: ["start", "align", "type", "checked", "disabled"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|#)/i,
};

const cleaner = DOMPurify(window);
cleaner.addHook("afterSanitizeAttributes", (node) => {
  if (node instanceof HTMLAnchorElement) {
    node.target = "_blank";
    node.rel = "noopener noreferrer";
  }
  if (node instanceof HTMLInputElement) {
    if (node.type !== "checkbox") return node.remove();
    node.disabled = true;
    node.setAttribute("aria-label", node.checked ? "done" : "to do");
  }
});

export function Markdown({ text }: { text: string }) {
  const box = useRef<HTMLDivElement>(null);
  const html = useMemo(() => cleaner.sanitize(marked.parse(text, { async: false }), ALLOWED), [text]);
  useEffect(() => addCopyButtons(box.current!), [html]);
  return <div class="markdown" ref={box} dangerouslySetInnerHTML={{ __html: html }} />;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function addCopyButtons(box: HTMLElement): void {
  for (const block of box.querySelectorAll("pre")) {
    block.tabIndex = 0; // it may scroll, and is to be scrolled by keyboard, too
    if (block.parentElement?.classList.contains("code")) continue;
    const frame = document.createElement("div");
    frame.className = "code";
    block.replaceWith(frame);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.onclick = async () => {
      await navigator.clipboard.writeText(block.textContent ?? "");
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    };
    frame.append(block, button);
  }
}
