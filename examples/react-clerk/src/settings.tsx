import { InstagramConnection, useInstagram } from "holdfast-client/react";
import { Activity } from "./activity";
import { Profile } from "./profile";

/** What the product does with the connection: switched by what is known, never by what failed to load. */
function Publishing() {
  const { status, isLoading } = useInstagram();
  const canPublish = status?.connected ?? false;
  return (
    <section className="card" aria-labelledby="publishing">
      <h2 id="publishing">Publishing</h2>
      <p>
        {isLoading
          ? "One moment."
          : canPublish
            ? "New journal pages are offered to your Instagram account."
            : "Connect Instagram to offer new journal pages there."}
      </p>
      <label>
        <input type="checkbox" disabled={!canPublish} defaultChecked /> Ask before each page
      </label>
    </section>
  );
}

export function Settings() {
  return (
    <>
      <h1>Settings</h1>
      <div className="columns">
        <div className="column">
          <Profile />
          <InstagramConnection />
        </div>
        <div className="column">
          <Publishing />
          <Activity />
        </div>
      </div>
    </>
  );
}
