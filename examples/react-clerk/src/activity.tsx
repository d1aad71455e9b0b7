import { useEffect, useState } from "react";
import type { HistoryEntry } from "holdfast-client";
import { useHoldfastClient, useInstagram } from "holdfast-client/react";
import { en } from "holdfast-client/locales/en";

/** In the language of the texts, and in words that stay true however long the page is open. */
const exactly = (at: string) =>
  new Date(at).toLocaleString(en.lang, { dateStyle: "medium", timeStyle: "short" });

/** What became of the connection, newest first; read again whenever its version changes. */
export function Activity() {
  const client = useHoldfastClient();
  const { status } = useInstagram();
  const [entries, setEntries] = useState<HistoryEntry[] | null>(null);
  const version = status?.version;
  useEffect(() => {
    if (version === undefined) return;
    let isHere = true;
    client.history().then(
      ({ entries }) => isHere && setEntries(entries),
      () => isHere && setEntries(null),
    );
    return () => {
      isHere = false;
    };
  }, [client, version]);
  if (!entries?.length) return null;
  // Newest first. The same state for another reason is no news to a person.
  const changes = entries.filter(({ state }, index) => state !== entries[index + 1]?.state);
  return (
    <section className="card" aria-labelledby="activity">
      <h2 id="activity">Activity</h2>
      <ol className="activity">
        {changes.map((entry) => (
          <li key={`${entry.version} ${entry.at}`}>
            <span>{en.states[entry.state]?.title ?? entry.state}</span>{" "}
            <time dateTime={entry.at}>{exactly(entry.at)}</time>
          </li>
        ))}
      </ol>
    </section>
  );
}
