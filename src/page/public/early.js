/*
 * Runs before the bundle, in browsers that may understand nothing newer than ES5: applies the remembered theme before the first
 * paint, and puts a plain sentence on the page when this browser lacks something that the machine cannot do without.
 */
(function () {
  "use strict";
  var root = document.documentElement;

  try {
    var theme = window.localStorage.getItem("ringside.theme");
    if (theme === "light" || theme === "dark") root.setAttribute("data-theme", theme);
  } catch (error) {
    // Storage is blocked: the system's preference decides.
  }

  var problem = missing();
  if (problem) say(problem);

  // A browser that has everything in the list but cannot parse or load the bundle would leave the page at "Loading".
  window.addEventListener(
    "error",
    function (event) {
      if (root.hasAttribute("data-started") || root.hasAttribute("data-unsupported")) return;
      var element = event.target;
      var failedToLoad = element && element.nodeName === "SCRIPT";
      say(
        failedToLoad
          ? "A part of the page could not be loaded. Check the connection and reload the page."
          : "This browser cannot run the page's code (" + event.message + "). A current version of it will.",
      );
    },
    true,
  );

  /** The plain sentence for the first thing that this browser lacks, or undefined. */
  function missing() {
    if (window.isSecureContext === false) {
      return (
        "This address is not secure, so the browser keeps from the page what its disks and checksums need. " +
        "Open it over https, or as http://localhost on the computer that serves it."
      );
    }
    if (typeof WebAssembly !== "object" || typeof WebAssembly.compileStreaming !== "function") {
      return "Ringside's processor is WebAssembly, and this browser does not offer it (or it is switched off).";
    }
    if (typeof Worker !== "function") {
      return "Ringside's machine runs in a Web Worker, and this browser does not offer them (or they are switched off).";
    }
    if (!hasIndexedDb()) {
      return "Ringside keeps disks in IndexedDB, and this browser does not offer it here (or it is switched off).";
    }
    if (!navigator.locks) {
      return "Ringside needs Web Locks, so that two tabs never write one disk, and this browser does not offer them.";
    }
    if (!window.crypto || !window.crypto.subtle) {
      return "Ringside verifies what it downloads with Web Crypto, and this browser does not offer it here.";
    }
    if (typeof DecompressionStream !== "function") {
      return "Ringside unpacks what it downloads with DecompressionStream, and this browser is too old to have it.";
    }
    return undefined;
  }

  function hasIndexedDb() {
    try {
      return Boolean(window.indexedDB);
    } catch (error) {
      return false;
    }
  }

  /** Replaces the page's content; the bundle sees the attribute and does not start. */
  function say(sentence) {
    root.setAttribute("data-unsupported", "");
    function show() {
      var place = document.getElementById("plain-message");
      if (!place) return;
      place.setAttribute("role", "alert");
      place.textContent = sentence;
    }
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", show);
    else show();
  }
})();
