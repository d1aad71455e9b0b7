import { InstagramConnection, useInstagram, type Instagram } from "holdfast-client/react";
import { Activity } from "./activity";
import { Profile } from "./profile";

/** What the product can do now: decided by what is known, never by what failed to load. */
function publishingOf({ status, isLoading, isCompleting }: Instagram): string {
  if (isLoading || isCompleting) return "One moment.";
  if (!status)
    return "Whether new journal pages can be offered to Instagram is not known right now.";
  switch (status.state) {
    case "connected":
      return status.missing_scopes.length > 0
        ? "Some permissions are missing: reconnect to offer new journal pages there."
        : "New journal pages are offered to your Instagram account.";
    case "degraded":
      return "New journal pages are offered to your Instagram account, later than usual.";
    case "connecting":
    case "not_connected":
      return "Connect Instagram to offer new journal pages there.";
    case "action_required":
    case "reconnect_required":
      return "New journal pages wait until your Instagram account works again.";
    case "unavailable":
      return "New journal pages cannot be offered to Instagram here.";
  }
}

function Publishing() {
  const instagram = useInstagram();
  return (
    <section className="card" aria-labelledby="publishing">
      <h2 id="publishing">Publishing</h2>
      <p>{publishingOf(instagram)}</p>
      <label>
        <input type="checkbox" disabled={!instagram.status?.connected} defaultChecked /> Ask before
        each page
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
