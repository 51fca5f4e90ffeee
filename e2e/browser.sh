#!/usr/bin/env bash
# Installs what the tests of pages look at them with, where it is missing and apt-get may be used: Chromium, ChromeDriver and
# a font with Chinese characters. Where it may not, it says what to install and fails; so do the tests of pages.
set -euo pipefail

have() { command -v "$1" >/dev/null 2>&1; }

missing=()
[[ -n ${CHROME:-} ]] || have google-chrome || have google-chrome-stable || have chromium || missing+=(chromium)
[[ -n ${CHROMEDRIVER:-} ]] || have chromedriver || missing+=(chromium-driver)
if ! have fc-list || [[ -z $(fc-list :lang=zh-cn family) ]]; then
    # fontconfig is what tells, and what finds fonts for the browser.
    missing+=(fontconfig fonts-wqy-microhei)
fi
[[ ${#missing[@]} -gt 0 ]] || exit 0

sudo=()
if [[ $(id -u) -ne 0 ]]; then
    sudo=(sudo -n)
fi
if ! have apt-get || ! "${sudo[@]}" true 2>/dev/null; then
    echo "the tests of pages need these packages of Debian, or the same of your system: ${missing[*]}" >&2
    exit 1
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq >&2
"${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
