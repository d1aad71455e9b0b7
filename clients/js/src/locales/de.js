/** German. The server speaks English, so that its reasons and codes are worded here as well. */

const SIGN_IN = "Melde dich an, um deine Instagram-Verbindung zu sehen.";
const NO_TOKEN = "Deine Anmeldung lässt sich gerade nicht bestätigen.";

/** @type {import("../states.d.ts").Locale} */
export const de = {
  lang: "de",
  states: {
    not_connected: {
      title: "Nicht verbunden",
      sentence: "Verbinde dein Instagram-Konto, um es hier zu verwenden.",
    },
    connecting: {
      title: "Wird verbunden",
      sentence: "Schließe den Vorgang bei Instagram ab oder beginne von vorn.",
    },
    connected: { title: "Verbunden" },
    degraded: {
      title: "Verbunden, mit Verzögerungen",
      sentence: "Instagram ist gestört. Wir versuchen es weiter. Du musst nichts tun.",
    },
    action_required: { title: "Instagram braucht dich" },
    reconnect_required: { title: "Neu verbinden nötig" },
    unavailable: { title: "Nicht verfügbar, bitte wende dich an den Support" },
    idle: { title: "Wird geladen …" },
    loading: { title: "Wird geladen …" },
    failed: { title: "Gerade nicht bekannt" },
    "session-refused": { title: "Gerade nicht bekannt" },
    "signed-out": {
      title: "Abgemeldet",
      sentence: SIGN_IN,
    },
    completing: {
      title: "Wird abgeschlossen",
      sentence: "Du bist von Instagram zurück. Einen Moment.",
    },
  },
  sentences: {
    scopes_missing: "Es fehlen Berechtigungen.",
    app_misconfigured: "Bei uns ist etwas falsch eingerichtet. Du musst nichts tun.",
    denied: "Die Verbindung wurde bei Instagram abgelehnt.",
    attempt_expired: "Der letzte Versuch hat zu lange gedauert.",
    attempt_failed: "Der letzte Versuch hat nicht geklappt.",
    account_moved: "Dieses Instagram-Konto ist jetzt mit einem anderen Benutzerkonto verbunden.",
    account_not_admitted:
      "Instagram lässt diese App für dein Konto noch nicht zu. Bitte wende dich an den Support.",
    checkpoint:
      "Instagram verlangt eine Sicherheitsprüfung. Öffne Instagram und folge den Hinweisen.",
    unconfirmed:
      "Instagram verlangt eine Bestätigung des Kontos. Öffne Instagram und folge den Hinweisen.",
    restricted:
      "Instagram schränkt dieses Konto ein. Öffne Instagram und sieh nach, was verlangt wird.",
    consent_blocked: "Instagram wartet auf deine Zustimmung zu den Bedingungen. Öffne Instagram.",
    expired: "Der Zugang zu Instagram ist abgelaufen. Verbinde das Konto neu.",
    revoked: "Der Zugang wurde bei Instagram entzogen. Verbinde das Konto neu.",
    password_changed:
      "Instagram hat den Zugang nach einer Änderung von Passwort oder Sicherheit beendet. Verbinde das Konto neu.",
    deauthorized: "Die App wurde bei Instagram entfernt. Verbinde das Konto neu.",
    token_invalid: "Instagram erkennt den erteilten Zugang nicht mehr an. Verbinde das Konto neu.",
    account_ineligible: "Dieses Instagram-Konto ist kein professionelles Konto mehr.",
    key_lost: "Der gespeicherte Zugang lässt sich nicht mehr öffnen. Verbinde das Konto neu.",
    grant_unreadable: "Der gespeicherte Zugang ist beschädigt. Verbinde das Konto neu.",
    not_configured: "Die Verbindung mit Instagram ist auf diesem Server nicht eingerichtet.",
    reason: "Etwas stimmt mit der Verbindung nicht.",
    "signed-out": SIGN_IN,
    "session-changed": "Inzwischen hat sich jemand anderes angemeldet.",
    "token-failed": NO_TOKEN,
    "token-timeout": NO_TOKEN,
    session: "Du bist angemeldet, aber deine Anfragen werden abgelehnt.",
    service: "Der Server ist gestört.",
    network: "Der Server ist nicht erreichbar.",
    request: "Das hat nicht geklappt.",
    "account-belongs-to-another-user":
      "Dieses Instagram-Konto ist schon mit einem anderen Benutzerkonto verbunden.",
    "different-account": "Es kam ein anderes Instagram-Konto zurück als das verbundene.",
    "attempt-expired": "Der Versuch hat zu lange gedauert. Verbinde das Konto noch einmal.",
    "attempt-not-yours": "Diesen Versuch hat jemand anderes begonnen.",
    "too-many-attempts": "Du hast zu oft angefangen. Versuche es später noch einmal.",
    "window-blocked": "Der Browser hat das Fenster von Instagram blockiert.",
    "impersonation-not-allowed": "Das geht nicht, während du für jemand anderen angemeldet bist.",
    "session-pending": "Deine Anmeldung ist noch nicht abgeschlossen.",
  },
  labels: {
    connect: "Instagram verbinden",
    restart: "Von vorn beginnen",
    reconnect: "Neu verbinden",
    check: "Erneut prüfen",
    retry: "Erneut versuchen",
    another: "Anderes Konto verwenden",
    replace: "Ja, das angezeigte Konto ersetzen",
    disconnect: "Verbindung trennen",
    confirm: "Ja, von Instagram trennen",
    busy: "Einen Moment …",
    open: "Instagram öffnen",
    stale: "{title} (letzter bekannter Stand)",
    confirmed: "Zuletzt bestätigt:",
    noticed: "Bemerkt:",
  },
};
