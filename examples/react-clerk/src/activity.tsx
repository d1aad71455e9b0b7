import { useEffect, useState } from "react";
import type { HistoryEntry } from "holdfast-client";
import { useHoldfastClient, useInstagram } from "holdfast-client/react";
import { relativeTime, stateTexts } from "holdfast-client/states";

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
      (page) => isHere && setEntries(page.entries),
      () => isHere && setEntries(null),
    );
    return () => {
      isHere = false;
    };
  }, [client, version]);
  if (!entries?.length) return null;
  return (
    <section className="card" aria-labelledby="activity">
      <h2 id="activity">Activity</h2>
      <ol className="activity">
        {entries.map((entry) => (
          <li key={`${entry.version} ${entry.at}`}>
            <span>{stateTexts[entry.state]?.title ?? entry.state}</span>{" "}
            <time dateTime={entry.at} title={new Date(entry.at).toLocaleString()}>
              {relativeTime(entry.at, Date.now())}
            </time>
          </li>
        ))}
      </ol>
    </section>
  );
}
