/**
 * What a route asks of its callers, beyond a good token. A requirement that cannot be meant is a
 * mistake and throws: ignored, it would let everybody pass.
 */
"use strict";

/** By name: whether the caller has `value`, and the code where none of the values fits. */
const ASKED = {
  org: {
    code: "not-a-member",
    detail: "The session acts for no such organization.",
    has: (caller, value) => caller.orgId !== null && (value === "any" || value === caller.orgId),
  },
  role: {
    code: "role-missing",
    detail: "The caller does not have the role that is asked for.",
    has: (caller, value) => caller.orgRole !== null && bare(caller.orgRole) === bare(value),
  },
  permission: {
    code: "permission-missing",
    detail: "The caller does not have the permission that is asked for.",
    has: (caller, value) => caller.orgPermissions.some((each) => bare(each) === bare(value)),
  },
};

/** Roles and permissions are written with and without this prefix. */
const bare = (name) => name.replace(/^org:/, "");

/** @returns {{optional: boolean, query: string, wanted: [string, string[]][]}} */
function readRequirements({ credentials, ...others }) {
  if (![undefined, "optional"].includes(credentials))
    throw new TypeError('credentials must be "optional", or left out');
  const query = new URLSearchParams();
  if (credentials) query.append("credentials", credentials);
  for (const name of Object.keys(others)) {
    if (!Object.hasOwn(ASKED, name))
      throw new TypeError(`a caller is asked for org, role or permission, and not for "${name}"`);
  }
  const wanted = [];
  // A fixed order, not the object's: it decides what a caller is told who meets none of them.
  for (const name of Object.keys(ASKED).filter((each) => each in others)) {
    const values = [others[name]].flat();
    if (values.length === 0 || !values.every((each) => typeof each === "string" && each.trim()))
      throw new TypeError(`${name} is asked for, and has no value`);
    for (const value of values) query.append(name, value);
    wanted.push([name, values.flatMap((each) => each.split(",").map((one) => one.trim()))]);
  }
  return { optional: credentials === "optional", query: query.size ? `?${query}` : "", wanted };
}

/**
 * The first requirement that `caller` does not meet, in Holdfast's own words; undefined where all
 * are.
 */
function unmet(caller, wanted) {
  const missing = wanted.find(
    ([name, values]) => !values.some((one) => ASKED[name].has(caller, one)),
  );
  return missing && ASKED[missing[0]];
}

module.exports = { readRequirements, unmet };
