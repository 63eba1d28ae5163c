// Makes elements. Text goes in as text only: nothing in this folder may parse markup, and the page's policy forbids it.

export type Content = Node | string;

/** Attributes are set as they are named; style can't be one, as the page's policy refuses it. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>> = {},
  ...content: readonly Content[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content);
  return made;
}

/** A name or an address, whose direction is its own and which is rather broken after a dot or a colon than elsewhere. */
export function identifier(text: string): HTMLElement {
  return element('bdi', {}, ...text.split(/(?<=[.:])(?![.:])/).flatMap((part) => [element('wbr'), part]));
}

/** A part of the page with its heading, which the navigation leads to. */
export function section(id: string, title: string, ...content: readonly Content[]): HTMLElement {
  const heading = element('h2', { id: `${id}-title` }, title);
  return element('section', { id, 'aria-labelledby': `${id}-title` }, heading, ...content);
}
