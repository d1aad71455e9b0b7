/**
 * A stylesheet: importing it has an effect and no names. TypeScript asks for a declaration of what
 * is imported so.
 */
export {};
