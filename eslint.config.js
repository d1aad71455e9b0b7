import js from "@eslint/js";
import reactHooks from "eslint-plugin-react-hooks";
import globals from "globals";
import ts from "typescript-eslint";

const { browser, node, serviceworker } = globals;

/** Prettier wraps code and leaves comments as they are. */
const narrowComments = {
  create: ({ sourceCode, report }) => ({
    Program() {
      for (const { loc } of sourceCode.getAllComments())
        for (let line = loc.start.line; line <= loc.end.line; line += 1)
          if (sourceCode.lines[line - 1].length > 100)
            report({ loc: { line, column: 100 }, message: "A comment ends at column 100." });
    },
  }),
};

export default [
  {
    ignores: [
      "target/",
      "crates/",
      "**/node_modules/",
      "**/dist/",
      "**/.next/",
      "**/test-results/",
      "**/.test-*/",
    ],
  },
  {
    ignores: ["clients/node/src/openapi.d.ts"], // generated
    plugins: { holdfast: { rules: { "narrow-comments": narrowComments } } },
    rules: { "holdfast/narrow-comments": "error" },
  },
  js.configs.recommended,
  ...ts.configs.recommended.map((config) => ({ ...config, files: ["**/*.ts", "**/*.tsx"] })),
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": ["error", { destructuring: "all" }],
      "no-unused-vars": ["error", { args: "after-used", ignoreRestSiblings: true }],
    },
  },
  {
    files: ["**/*.js", "**/*.mjs"],
    languageOptions: {
      globals: { ...browser, ...node, ...serviceworker },
      parserOptions: { ecmaFeatures: { jsx: true } },
    },
  },
  {
    // What ships to browsers may use only what browsers have.
    files: ["clients/js/src/**", "clients/js/gallery/**", "web/**"],
    languageOptions: {
      globals: Object.fromEntries(Object.keys(node).map((name) => [name, "off"])),
    },
  },
  {
    files: ["clients/js/src/**", "clients/js/gallery/**", "web/**"],
    languageOptions: { globals: browser },
  },
  {
    files: ["**/*.ts", "**/*.tsx"],
    rules: {
      "no-unused-vars": "off",
      "no-undef": "off",
      "no-redeclare": "off",
      "@typescript-eslint/no-empty-object-type": "off",
      "@typescript-eslint/no-unused-vars": [
        "error",
        { argsIgnorePattern: "^_", varsIgnorePattern: "^_" },
      ],
    },
  },
  {
    files: ["clients/js/src/**", "examples/react-clerk/src/**"],
    ...reactHooks.configs.flat.recommended,
  },
  {
    // Types that are checked and never run.
    files: ["clients/js/tests/types.ts", "**/*.d.ts"],
    rules: {
      "@typescript-eslint/no-unused-expressions": "off",
      "@typescript-eslint/no-unused-vars": "off",
      "@typescript-eslint/no-explicit-any": "off",
      "@typescript-eslint/no-invalid-void-type": "off",
    },
  },
];
