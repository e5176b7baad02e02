'use strict';

// What the TypeScript compiler makes of decorators, by hand: this example needs no build step.

/** `@a @b class C {}` is `decorate(C, [a, b])`; `types` are those of the constructor's parameters. */
function decorate(target, decorators, types = []) {
  Reflect.defineMetadata('design:paramtypes', types, target);
  for (const decorator of decorators.reverse()) decorator(target);
}

/** `@a method(@p one, @q two) {}` is `decorateMethod(C, 'method', [a], [p, q])`. */
function decorateMethod(target, name, decorators, parameters = []) {
  const { prototype } = target;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
  Reflect.defineMetadata('design:paramtypes', parameters.map(() => Object), prototype, name);
  parameters.forEach((decorator, index) => decorator(prototype, name, index));
  for (const decorator of decorators.reverse()) decorator(prototype, name, descriptor);
}

module.exports = { decorate, decorateMethod };
