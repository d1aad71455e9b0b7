import { useEffect, useState } from "react";
import type { HistoryEntry } from "holdfast-client";
import { useHoldfastClient, useInstagram } from "holdfast-client/react";
import { en } from "holdfast-client/locales/en";
import { relativeTime } from "holdfast-client/states";

interface History {
  entries: HistoryEntry[] | null;
  readAt: number;
}

/** What became of the connection, newest first; read again whenever its version changes. */
export function Activity() {
  const client = useHoldfastClient();
  const { status } = useInstagram();
  const [{ entries, readAt }, setHistory] = useState<History>({ entries: null, readAt: 0 });
  const version = status?.version;
  useEffect(() => {
    if (version === undefined) return;
    let isHere = true;
    client.history().then(
      ({ entries }) => isHere && setHistory({ entries, readAt: Date.now() }),
      () => isHere && setHistory({ entries: null, readAt: 0 }),
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
            <time dateTime={entry.at} title={new Date(entry.at).toLocaleString()}>
              {relativeTime(entry.at, readAt)}
            </time>
          </li>
        ))}
      </ol>
    </section>
  );
}
