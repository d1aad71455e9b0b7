import type { ComponentType, ReactNode } from "react";
import type { Auth } from "holdfast-client/react";

/** What the app needs of a sign-in, and all it knows about it. */
export interface AuthModule {
  AuthProvider: ComponentType<{ children: ReactNode }>;
  /** A hook. */
  useAuth: () => Auth;
  /** Who is signed in and how to leave, for the head of the page. */
  UserMenu: ComponentType;
  SignInPage: ComponentType;
}
