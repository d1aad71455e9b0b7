/**
 * The sign-in by the stand-in for Clerk that `holdfast dev` runs: real tokens, no account, no
 * password.
 */
import {
  createContext,
  useCallback,
  useContext,
  useMemo,
  useRef,
  useState,
  type ReactNode,
} from "react";
import type { Auth } from "holdfast-client/react";
import type { AuthModule } from "./types";

const STANDIN = import.meta.env.VITE_CLERK_STANDIN_URL ?? "http://127.0.0.1:8081";
const STORED = "standin-session";

/** Clerk hands out a cached token as long as it has this much of its minute left. */
const LEEWAY_MS = 5_000;

const people = ["ada", "grace", "edsger"] as const;
type Person = (typeof people)[number];

interface Session {
  id: string;
  person: Person;
}

interface Standin extends Auth {
  session: Session | null;
  signIn(person: Person): Promise<void>;
  signOut(): void;
}

async function post<T>(path: string, body: unknown): Promise<T> {
  const response = await fetch(STANDIN + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => {
    throw new Error(`Nobody answers at ${STANDIN}. Is \`holdfast dev\` running?`);
  });
  if (!response.ok)
    throw new Error(`The stand-in for Clerk answered with status ${response.status}.`);
  return (await response.json()) as T;
}

/**
 * The browser's memory survives the way to Instagram and back; `holdfast dev` restarted has other
 * sessions.
 */
function remembered(): Session | null {
  try {
    return JSON.parse(sessionStorage.getItem(STORED) ?? "null") as Session | null;
  } catch {
    return null;
  }
}

function keep(session: Session | null) {
  try {
    if (session) sessionStorage.setItem(STORED, JSON.stringify(session));
    else sessionStorage.removeItem(STORED);
  } catch {
    // Where the browser forbids storage, the session lasts as long as the page.
  }
}

/** What a token says of itself. */
const claimsIn = (jwt: string) =>
  JSON.parse(atob((jwt.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/"))) as {
    exp: number;
  };

const Context = createContext<Standin | null>(null);

function useStandin(): Standin {
  const standin = useContext(Context);
  if (!standin) throw new Error("useAuth needs an <AuthProvider> above it.");
  return standin;
}

function AuthProvider({ children }: { children: ReactNode }) {
  const [session, setSession] = useState(remembered);
  const cached = useRef<{ sessionId: string; jwt: string; staleAt: number } | null>(null);
  const sessionId = session?.id ?? null;

  const remember = useCallback((next: Session | null) => {
    cached.current = null;
    keep(next);
    setSession(next);
  }, []);

  const getToken = useCallback(
    async ({ skipCache = false } = {}) => {
      if (!sessionId) return null;
      const known = cached.current;
      if (!skipCache && known?.sessionId === sessionId && Date.now() < known.staleAt)
        return known.jwt;
      const { jwt } = await post<{ jwt: string }>(`/v1/client/sessions/${sessionId}/tokens`, {});
      cached.current = { sessionId, jwt, staleAt: claimsIn(jwt).exp * 1_000 - LEEWAY_MS };
      return jwt;
    },
    [sessionId],
  );

  const value = useMemo<Standin>(
    () => ({
      isLoaded: true,
      isSignedIn: session !== null,
      sessionId,
      getToken,
      session,
      async signIn(person) {
        const { session_id } = await post<{ session_id: string }>("/v1/dev/sign-in", {
          user: person,
        });
        remember({ id: session_id, person });
      },
      signOut: () => remember(null),
    }),
    [session, sessionId, getToken, remember],
  );
  return <Context value={value}>{children}</Context>;
}

const nameOf = (person: Person) => person.charAt(0).toUpperCase() + person.slice(1);

function UserMenu() {
  const { session, signOut } = useStandin();
  if (!session) return null;
  return (
    <p className="user-menu">
      <span>{nameOf(session.person)}</span>
      <button type="button" onClick={signOut}>
        Sign out
      </button>
    </p>
  );
}

function SignInPage() {
  const { signIn } = useStandin();
  const [trouble, setTrouble] = useState<string | null>(null);
  const enter = (person: Person) =>
    signIn(person).catch((error: unknown) =>
      setTrouble(error instanceof Error ? error.message : "Signing in failed."),
    );
  return (
    <section className="card sign-in" aria-labelledby="sign-in">
      <h1 id="sign-in">Sign in</h1>
      <p>Development only: choose who you are.</p>
      <div className="people">
        {people.map((person) => (
          <button key={person} type="button" onClick={() => void enter(person)}>
            Continue as {nameOf(person)}
          </button>
        ))}
      </div>
      {trouble && <p role="alert">{trouble}</p>}
    </section>
  );
}

export const standin: AuthModule = { AuthProvider, useAuth: useStandin, UserMenu, SignInPage };
