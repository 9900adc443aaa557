import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** An authority for timestamps: OpenSSL's, with certificates of its own. Use with `need("openssl")`. */
export class TimestampAuthority {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Makes root and signer in `dir`. `usage`: the signer's extended key usage. */
  static make(dir: string, how: { readonly usage?: string; readonly key?: "ec" | "rsa" } = {}): TimestampAuthority {
    const { usage = "critical,timeStamping", key = "ec" } = how;
    mkdirSync(dir, { recursive: true });
    const at = (name: string): string => join(dir, name);
    writeFileSync(at("signer.ext"), `keyUsage=critical,digitalSignature\nextendedKeyUsage=${usage}\n`);
    writeFileSync(
      at("tsa.cnf"),
      ["[ tsa ]", "default_tsa = it", "[ it ]", `serial = ${at("serial")}`, `certs = ${at("root.pem")}`]
        .concat(["signer_digest = sha256", "default_policy = 1.2.3.4.1", "digests = sha256, sha384, sha512"])
        .concat(["accuracy = secs:1", "ess_cert_id_alg = sha256", "ess_cert_id_chain = no", "tsa_name = no"])
        .join("\n"),
    );
    const [newKey, ...keyOptions] = key === "ec" ? ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] : ["rsa:2048"];
    const make = (name: string, subject: string, ...more: readonly string[]): void => {
      const kind = ["req", "-newkey", newKey ?? "", ...keyOptions, "-nodes", "-subj", subject];
      openssl([...kind, "-keyout", at(`${name}.key`), ...more]);
    };
    make("root", "/CN=Test Root", "-x509", "-days", "3650", "-out", at("root.pem"));
    make("signer", "/O=Test/CN=Test Timestamps", "-out", at("signer.csr"));
    const signing = ["x509", "-req", "-in", at("signer.csr"), "-CA", at("root.pem"), "-CAkey", at("root.key")];
    const rest = ["-CAcreateserial", "-days", "3650", "-extfile", at("signer.ext"), "-out", at("signer.pem")];
    openssl([...signing, ...rest]);
    return new TimestampAuthority(dir);
  }

  /** PEM, what a verifier trusts. */
  get root(): string {
    return readFileSync(join(this.#dir, "root.pem"), "utf8");
  }

  get rootPath(): string {
    return join(this.#dir, "root.pem");
  }

  reply(query: Uint8Array): Buffer {
    const at = (name: string): string => join(this.#dir, name);
    writeFileSync(at("query"), query);
    const files = ["-config", at("tsa.cnf"), "-queryfile", at("query"), "-out", at("reply")];
    openssl(["ts", "-reply", ...files, "-signer", at("signer.pem"), "-inkey", at("signer.key")]);
    return readFileSync(at("reply"));
  }

  /** What OpenSSL's authority would not do: signs whatever it is told (a TSTInfo), with whatever certificate it has. */
  forge(info: Uint8Array): Buffer {
    const at = (name: string): string => join(this.#dir, name);
    writeFileSync(at("info"), info);
    const kind = ["-binary", "-nodetach", "-cades", "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-md", "sha256"];
    const files = ["-in", at("info"), "-signer", at("signer.pem"), "-inkey", at("signer.key"), "-out", at("forged")];
    openssl(["cms", "-sign", ...kind, "-outform", "DER", ...files]);
    const granted = Buffer.from("3003020100", "hex");
    const content = Buffer.concat([granted, readFileSync(at("forged"))]);
    const length = Buffer.from([0x30, 0x82, content.length >> 8, content.length & 0xff]);
    return Buffer.concat([length, content]);
  }

  /** Behind HTTP; `change` may do to each answer what a bad authority would. */
  async serve(change: (reply: Buffer) => Buffer = (reply) => reply): Promise<{
    readonly url: string;
    readonly asked: () => number;
    close(): void;
  }> {
    let asked = 0;
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        asked += 1;
        response.writeHead(200, { "content-type": "application/timestamp-reply" });
        response.end(change(this.reply(Buffer.concat(parts))));
      });
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      asked: () => asked,
      close() {
        server.closeAllConnections();
        server.close();
      },
    };
  }
}

function openssl(args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}
