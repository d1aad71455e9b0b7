import { useEffect, useState } from "react";
import type { User } from "holdfast-client";
import { useHoldfastClient } from "holdfast-client/react";

const nameOf = ({ first_name, last_name, email }: User) =>
  [first_name, last_name].filter(Boolean).join(" ") || email || "Somebody";

/** Makes or refreshes the user's record, once a visit. */
export function Profile() {
  const client = useHoldfastClient();
  const [user, setUser] = useState<User | null>(null);
  const [hasFailed, setHasFailed] = useState(false);
  useEffect(() => {
    let isHere = true;
    client.sync().then(
      ({ user }) => isHere && setUser(user),
      () => isHere && setHasFailed(true),
    );
    return () => {
      isHere = false;
    };
  }, [client]);
  return (
    <section className="card" aria-labelledby="profile">
      <h2 id="profile">Profile</h2>
      {user ? (
        <dl>
          <dt>Name</dt>
          <dd>{nameOf(user)}</dd>
          <dt>E-mail</dt>
          <dd>{user.email ?? "not given"}</dd>
        </dl>
      ) : (
        <p>{hasFailed ? "Your profile cannot be shown at the moment." : "One moment."}</p>
      )}
    </section>
  );
}
