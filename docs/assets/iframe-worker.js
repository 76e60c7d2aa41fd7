// Search runs in a worker, and a browser starts no worker for a page that it has opened from file://. There, the
// worker's script runs in a hidden frame instead.
class IFrameWorker extends EventTarget {
  constructor(url) {
    super();
    const frame = document.createElement("iframe");
    frame.hidden = true;
    document.body.append(frame);
    this.inner = frame.contentWindow;
    this.inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
    this.loaded = new Promise((resolve) => {
      const script = this.inner.document.createElement("script");
      script.src = url;
      script.onload = resolve;
      this.inner.document.body.append(script);
    });
  }

  postMessage(data) {
    this.loaded.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })));
  }
}

if (location.protocol === "file:") {
  window.IFrameWorker = IFrameWorker; // the script looks here, to find out where it runs
  window.Worker = IFrameWorker;
}
