import { clerk } from "./clerk";
import { standin } from "./standin";

/** A publishable key means real Clerk; without one, the stand-in of `holdfast dev`. */
export const { AuthProvider, useAuth, UserMenu, SignInPage } = import.meta.env
  .VITE_CLERK_PUBLISHABLE_KEY
  ? clerk
  : standin;
