/**
 * The browser's `XMLHttpRequest` over `fetch`, as far as phoenix.js goes; its 1.6 and 1.7 know nothing else for long polling.
 *
 * @module
 */

class Request {
  readyState = 0;
  responseText = "";
  timeout = 0;
  onerror = () => {};
  ontimeout = () => {};
  onreadystatechange = () => {};
  readonly #headers = new Headers();
  readonly #aborted = new AbortController();
  #method = "";
  #url = "";

  open(method: string, url: string): void {
    this.#method = method;
    this.#url = url;
  }

  setRequestHeader(name: string, value: string): void {
    this.#headers.append(name, value);
  }

  send(body: string | null): void {
    const timer = setTimeout(() => {
      this.abort();
      this.ontimeout();
    }, this.timeout || 60_000);
    this.#fetch(body).catch(() => {
      if (!this.#aborted.signal.aborted) this.onerror();
    }).finally(() => clearTimeout(timer));
  }

  abort(): void {
    this.#aborted.abort();
  }

  async #fetch(body: string | null): Promise<void> {
    const init = { method: this.#method, headers: this.#headers, body, signal: this.#aborted.signal };
    this.responseText = await (await fetch(this.#url, init)).text();
    this.readyState = 4;
    this.onreadystatechange();
  }
}

/** Gives this process an `XMLHttpRequest`; `using` takes it away. */
export function withXmlHttpRequest(): Disposable {
  const global = globalThis as { XMLHttpRequest?: unknown };
  const before = global.XMLHttpRequest;
  global.XMLHttpRequest = Request;
  return {
    [Symbol.dispose]() {
      if (before === undefined) delete global.XMLHttpRequest;
      else global.XMLHttpRequest = before;
    },
  };
}
