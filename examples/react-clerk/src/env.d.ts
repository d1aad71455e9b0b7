interface ImportMetaEnv {
  /** Where Holdfast answers. */
  readonly VITE_HOLDFAST_URL: string;
  /** Present: real Clerk. Absent: the stand-in of `holdfast dev`. */
  readonly VITE_CLERK_PUBLISHABLE_KEY?: string;
  /** Where the stand-in answers; unused with real Clerk. */
  readonly VITE_CLERK_STANDIN_URL?: string;
}
