import { SignInPage, useAuth, UserMenu } from "./auth";
import { Settings } from "./settings";

export function App() {
  const { isLoaded, isSignedIn } = useAuth();
  return (
    <>
      <header className="bar">
        <p className="brand">Papertrail</p>
        <UserMenu />
      </header>
      <main>{!isLoaded ? null : isSignedIn ? <Settings /> : <SignInPage />}</main>
    </>
  );
}
