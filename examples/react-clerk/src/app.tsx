import { SignInPage, useAuth, UserMenu } from "./auth";
import { Settings } from "./settings";

export function App() {
  const { isLoaded, isSignedIn, sessionId } = useAuth();
  return (
    <>
      <header className="bar">
        <div>
          <p className="brand">
            <svg viewBox="0 0 24 24" aria-hidden="true">
              <path d="M5 3h10l4 4v14H5zM9 11h6M9 15h6" />
            </svg>
            Papertrail
          </p>
          <UserMenu />
        </div>
      </header>
      <main>
        {/* By the key another session begins with nothing of the one before. */}
        {!isLoaded ? null : isSignedIn ? <Settings key={sessionId} /> : <SignInPage />}
      </main>
    </>
  );
}
