import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** The certificate, which is its own authority. */
  readonly path: string;
}

/** A self-signed certificate for a name or address, made by openssl in `folder`; use with `need("openssl")`. */
export function certificateFor(subject: string, folder: string): Certificate {
  const name = /^[\d.]+$/.test(subject) ? `IP:${subject}` : `DNS:${subject}`;
  const [key, cert] = [join(folder, `${subject}.key`), join(folder, `${subject}.pem`)];
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
  const files = ["-subj", `/CN=${subject}`, "-addext", `subjectAltName=${name}`, "-keyout", key, "-out", cert];
  execFileSync("openssl", [...args, ...files], { stdio: "ignore" });
  return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8"), path: cert };
}
