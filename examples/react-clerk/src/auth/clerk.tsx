/** The sign-in by Clerk. */
import { ClerkProvider, SignIn, useAuth, UserButton } from "@clerk/react";
import type { ReactNode } from "react";
import type { AuthModule } from "./types";

function AuthProvider({ children }: { children: ReactNode }) {
  return (
    <ClerkProvider
      publishableKey={import.meta.env.VITE_CLERK_PUBLISHABLE_KEY ?? ""}
      afterSignOutUrl="/"
    >
      {children}
    </ClerkProvider>
  );
}

export const clerk: AuthModule = {
  AuthProvider,
  useAuth,
  UserMenu: () => <UserButton />,
  SignInPage: () => <SignIn routing="hash" />,
};
