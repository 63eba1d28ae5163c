// Light or dark: as the system says, until one of the switch's buttons is pressed. Charts are painted, not styled, so they are
// told when colours change, also for paper, which is always light. Nothing is stored.
import { element } from './element.ts';

const CHOICES = ['auto', 'light', 'dark'] as const;
type Choice = (typeof CHOICES)[number];
const DARK = '(prefers-color-scheme: dark)';

/** A group of buttons; `repaint` is called after colours have changed. */
export function themeSwitch(repaint: () => void): HTMLElement {
  let chosen: Choice = 'auto';
  const buttons = CHOICES.map((choice) => {
    const button = element('button', { type: 'button' }, choice);
    button.addEventListener('click', () => {
      chosen = choice;
      show();
    });
    return button;
  });
  const apply = (choice: Choice) => {
    if (choice === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = choice;
    repaint();
  };
  const show = () => {
    for (const [at, button] of buttons.entries()) button.setAttribute('aria-pressed', String(CHOICES[at] === chosen));
    apply(chosen);
  };
  window.matchMedia(DARK).addEventListener('change', repaint);
  window.addEventListener('beforeprint', () => apply('light'));
  window.addEventListener('afterprint', () => apply(chosen));
  show();
  return element('div', { class: 'choice', role: 'group', 'aria-label': 'Colours' }, ...buttons);
}

/** The colour that a custom property has now; canvas knows neither properties nor light-dark(). */
export function colour(property: string): string {
  const probe = element('span');
  probe.style.color = `var(${property})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
