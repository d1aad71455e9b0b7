import type {
  AnyHoldfastError,
  HoldfastClient,
  HoldfastPhase,
  HoldfastSnapshot,
  InstagramStatus,
} from "./holdfast-client.js";

type StatusOf<S extends InstagramStatus["state"]> = Extract<InstagramStatus, { state: S }>;

/** A plausible status of the given state; `now` (milliseconds since the epoch) places its times. */
export function fakeStatus<S extends InstagramStatus["state"]>(
  state: S,
  options?: Partial<StatusOf<S>> & { now?: number | undefined },
): StatusOf<S>;

type Operation =
  | "sync"
  | "profile"
  | "history"
  | "status"
  | "retry"
  | "check"
  | "connect"
  | "completeFromUrl"
  | "disconnect";

export interface FakeClient extends HoldfastClient {
  /** Every operation called, in order. */
  readonly calls: { name: Operation | "sessionChanged"; args: unknown[] }[];
  /**
   * What an operation resolves to from now on; a function is called with its arguments and may
   * throw.
   */
  readonly answers: { [O in Operation]?: unknown };
  set(change: Partial<HoldfastSnapshot>): void;
  setStatus(status: InstagramStatus): void;
  setError(error: AnyHoldfastError, phase?: HoldfastPhase): void;
}

export function createFakeClient(initial?: InstagramStatus): FakeClient;
