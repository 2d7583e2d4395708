// Values that must not be printed. A Secret can be handed around, but becomes text only where `reveal` is called.
import { randomInt } from 'node:crypto'
import { hide } from './redact.ts'

/** A secret text. Template strings, JSON and inspection show only its length. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
    hide(value) // from here on nothing of ours prints it
  }

  /** The text itself: for a Kubernetes Secret's data or a child's standard input, nothing else. */
  reveal(): string {
    return this.#value
  }

  get length(): number {
    return this.#value.length
  }

  toString(): string {
    return `‹secret, ${this.#value.length} characters›`
  }

  toJSON(): string {
    return this.toString()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

// Without the pairs that look alike (0 O, 1 l I): some of these are typed from a screen once.
const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789'

/**
 * A new random password.
 * @param length characters, at least 24 (about 5.8 bits each)
 */
export function generatePassword(length = 24): Secret {
  if (length < 24) throw new RangeError(`a generated password has at least 24 characters, not ${length}`)
  return new Secret(Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join(''))
}

/** A bcrypt hash (`$2b$`, 60 characters), as AdGuard Home and basic authentication want it. */
export async function hashPassword(password: string): Promise<string> {
  const { hash } = await import('bcryptjs')
  return hash(password, 10)
}
