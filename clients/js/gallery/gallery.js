/**
 * Every state and reason of the contract, every phase of a client, every kind of error: drawn from
 * the fake client.
 */
import { createElement as h } from "react";
import { createRoot } from "react-dom/client";
import { createFakeClient, fakeStatus } from "holdfast-client/fake";
import {
  HoldfastNetworkError,
  HoldfastRequestError,
  HoldfastServiceError,
  HoldfastSessionError,
} from "holdfast-client";
import { de } from "holdfast-client/locales/de";
import { en } from "holdfast-client/locales/en";
import { HoldfastProvider, InstagramConnection } from "holdfast-client/react";
import { contract } from "../tests/support/contract.js";

const states = Object.entries(contract).map(([state, reasons]) => ({
  title: state,
  cards: reasons.map((reason) => ({
    caption: reason ?? "no reason",
    client: createFakeClient(fakeStatus(state, { reason })),
  })),
}));

function inPhase(phase, error = null) {
  const client = createFakeClient();
  client.set({ phase, error, isFetching: phase === "loading" });
  return client;
}

function withError(status, error) {
  const client = createFakeClient(status);
  client.setError(error);
  return client;
}

const declined = (status, code, message) => new HoldfastRequestError({ status, code, message });

const departing = createFakeClient(fakeStatus("not_connected"));
departing.set({ isConnecting: true });

const finishing = createFakeClient(fakeStatus("connecting"));
finishing.set({ isCompleting: true });

const others = [
  {
    title: "before and without an answer",
    cards: [
      { caption: "loading", client: inPhase("loading") },
      { caption: "signed out", client: inPhase("signed-out") },
      {
        caption: "session refused",
        client: inPhase(
          "session-refused",
          new HoldfastSessionError({ code: "token-invalid-issuer", status: 401 }),
        ),
      },
      {
        caption: "offline",
        client: inPhase("failed", new HoldfastNetworkError({ code: "request-failed" })),
      },
      {
        caption: "server in trouble",
        client: inPhase("failed", new HoldfastServiceError({ code: "busy", status: 503 })),
      },
    ],
  },
  {
    title: "while something is going on or has failed",
    cards: [
      { caption: "back from Instagram", client: finishing },
      {
        caption: "revoked, an attempt is open",
        client: createFakeClient(
          fakeStatus("reconnect_required", {
            reason: "revoked",
            attempt: { id: "a1", expires_at: new Date(Date.now() + 600_000).toISOString() },
          }),
        ),
      },
      {
        caption: "a picture that does not load",
        client: createFakeClient(
          fakeStatus("connected", {
            account: {
              ...fakeStatus("connected").account,
              profile_picture_url: "data:image/png;base64,AA",
            },
          }),
        ),
      },
      {
        caption: "no token to ask with",
        client: inPhase("failed", new HoldfastNetworkError({ code: "token-timeout" })),
      },
      { caption: "leaving for Instagram", client: departing },
      {
        caption: "connected, server not reachable",
        client: withError(
          fakeStatus("connected"),
          new HoldfastNetworkError({ code: "request-timeout" }),
        ),
      },
      {
        caption: "another account came back",
        client: withError(
          fakeStatus("connected"),
          declined(
            409,
            "different-account",
            "Instagram returned a different account than the linked one.",
          ),
        ),
      },
      {
        caption: "account belongs to another user",
        client: withError(
          fakeStatus("not_connected"),
          declined(
            409,
            "account-belongs-to-another-user",
            "This Instagram account is already linked to another user of the app.",
          ),
        ),
      },
      {
        caption: "too many attempts",
        client: withError(
          fakeStatus("not_connected"),
          declined(
            429,
            "too-many-attempts",
            "This user has reached the limit of open connect attempts.",
          ),
        ),
      },
      {
        caption: "a very long name",
        client: createFakeClient(
          fakeStatus("connected", {
            account: {
              ...fakeStatus("connected").account,
              username: "the_extraordinarily_long_username",
              name: "Donaudampfschifffahrtsgesellschaftskapitänswitwenverein",
            },
          }),
        ),
      },
    ],
  },
];

const Card = ({ caption, client }) =>
  h(
    "figure",
    null,
    h("figcaption", null, caption),
    h(HoldfastProvider, { client, locale }, h(InstagramConnection, { headingLevel: 3 })),
  );

const Section = ({ title, cards }) =>
  h(
    "section",
    null,
    h("h2", null, title),
    h(
      "div",
      { className: "grid" },
      cards.map((card) => h(Card, { key: card.caption, ...card })),
    ),
  );

const Everything = () =>
  h(
    "main",
    null,
    h("h1", null, "Every state of a connection"),
    h(
      "p",
      { className: "lead" },
      "What people read, for each state and reason. Drawn without a server.",
    ),
    [...states, ...others].map((section) => h(Section, { key: section.title, ...section })),
  );

/** `?brief`: one card a state, for a picture that fits on a page. */
const Brief = () =>
  h(
    "main",
    null,
    h(
      "div",
      { className: "grid" },
      states.map(({ title, cards }) => h(Card, { key: title, ...cards[0], caption: title })),
    ),
  );

/** `?lang=de`: in German. */
const locale = new URLSearchParams(location.search).get("lang") === "de" ? de : en;
const isBrief = new URLSearchParams(location.search).has("brief");
createRoot(document.getElementById("root")).render(h(isBrief ? Brief : Everything));
