// The key to the S3 server as Velero's plugin reads it.
import { Secret } from '../secrets.ts'
import type { S3 } from '../site/site.ts'

/** A credentials file: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html */
export function credentialsFile({ accessKey, secretKey }: Pick<S3, 'accessKey' | 'secretKey'>): Secret {
  return new Secret(`[default]\naws_access_key_id=${accessKey}\naws_secret_access_key=${secretKey.reveal()}\n`)
}
