import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { HoldfastProvider } from "holdfast-client/react";
import "holdfast-client/instagram-connection.css";
import { App } from "./app";
import { AuthProvider, useAuth } from "./auth";
import "./app.css";

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <AuthProvider>
      <HoldfastProvider baseUrl={import.meta.env.VITE_HOLDFAST_URL} useAuth={useAuth}>
        <App />
      </HoldfastProvider>
    </AuthProvider>
  </StrictMode>,
);
