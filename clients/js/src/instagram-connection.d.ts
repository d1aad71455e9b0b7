import type { ReactElement } from "react";

export interface InstagramConnectionProps {
  /** Level of the heading "Instagram"; 2 if not given. */
  headingLevel?: 1 | 2 | 3 | 4 | 5 | 6;
  /** Added to the class of the outermost element. */
  className?: string;
}

/** The connection as a person sees it, below a `<HoldfastProvider>`. Unstyled; the stylesheet is a file beside it. */
export function InstagramConnection(props: InstagramConnectionProps): ReactElement;
