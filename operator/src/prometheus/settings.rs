//! How a server is reached: address, time limit, credentials and trust, checked before anything is sent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error::QueryError;

/// A text that no log, error, event or status may show: its `Debug` prints nothing of it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`, without the line breaks at its end that editors and `echo` leave in files.
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// How a client says who it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Auth {
    /// HTTP basic authentication (RFC 7617).
    Basic {
        /// User name, without a colon.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A bearer token (RFC 6750).
    Bearer(Secret),
}

/// Everything that decides how a server is spoken to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Base address, without `/api/v1`, with `http` or `https`.
    pub url: String,
    /// Limit of one request, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// Credentials, for https only.
    pub auth: Option<Auth>,
    /// Certificate authorities in PEM, then the only ones trusted; the system's roots when left out.
    pub ca_pem: Option<Vec<u8>>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, timeout, auth, ca_pem } = self;
        f.debug_struct("Settings")
            .field("url", url)
            .field("timeout", timeout)
            .field("auth", auth)
            .field("ca_pem_bytes", &ca_pem.as_ref().map(Vec::len))
            .finish()
    }
}

impl Settings {
    /// The base address without a slash at its end, and the address that queries are posted to.
    pub(super) fn addresses(&self) -> Result<(String, Url), QueryError> {
        // Not shown in these messages: an address that is refused may hold a password.
        let url = Url::parse(&self.url)
            .map_err(|error| wrong(format!("prometheus.url is not an address: {error}")))?;
        if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
            return Err(wrong("prometheus.url must begin with http:// or https:// and name a host"));
        }
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(wrong(
                "prometheus.url holds a user, a query or a fragment: give credentials by prometheus.authSecretRef",
            ));
        }
        if self.auth.is_some() && url.scheme() != "https" {
            return Err(wrong(
                "credentials travel over https only: use an https url or leave authSecretRef out",
            ));
        }
        let base = url.as_str().trim_end_matches('/').to_owned();
        let query = Url::parse(&format!("{base}/api/v1/query")).map_err(|error| wrong(error.to_string()))?;
        Ok((base, query))
    }

    /// The value of the header `Authorization`, marked as sensitive.
    pub(super) fn authorization(
        &self,
        http: &reqwest::Client,
        url: &Url,
    ) -> Result<Option<HeaderValue>, QueryError> {
        let request = http.get(url.clone());
        let request = match &self.auth {
            None => return Ok(None),
            Some(Auth::Basic { username, .. }) if username.contains(':') => {
                return Err(wrong("a user name for basic authentication holds no colon"));
            }
            Some(Auth::Basic { username, password }) => request.basic_auth(username, Some(&password.0)),
            Some(Auth::Bearer(token)) => request.bearer_auth(&token.0),
        };
        // The cause is not shown: it may quote the value.
        let request =
            request.build().map_err(|_| wrong("the credentials hold characters that no header can carry"))?;
        Ok(request.headers().get(AUTHORIZATION).cloned())
    }

    /// The texts that must not appear in what is told of an answer, in case a server echoes the request's headers.
    pub(super) fn secrets(&self, authorization: Option<&HeaderValue>) -> Vec<String> {
        let own = match &self.auth {
            None => None,
            Some(Auth::Basic { password, .. }) => Some(password.0.clone()),
            Some(Auth::Bearer(token)) => Some(token.0.clone()),
        };
        let sent =
            authorization.and_then(|value| value.to_str().ok()).and_then(|value| value.split(' ').nth(1));
        own.into_iter().chain(sent.map(str::to_owned)).filter(|text| !text.is_empty()).collect()
    }

    /// What trusts the server: the given authorities and no other. `None` leaves it to the system's roots.
    pub(super) fn tls(&self, url: &Url) -> Result<Option<rustls::ClientConfig>, QueryError> {
        let mut roots = rustls::RootCertStore::empty();
        match &self.ca_pem {
            // Without TLS the roots of the system, some hundred kilobytes, are not needed.
            None if url.scheme() == "https" => return Ok(None),
            None => {}
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let added = certificate
                        .map_err(|error| error.to_string())
                        .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
                    added.map_err(|error| {
                        wrong(format!("prometheus.caConfigMapRef holds no usable PEM: {error}"))
                    })?;
                }
                if roots.is_empty() {
                    return Err(wrong("prometheus.caConfigMapRef holds no certificate in PEM"));
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(config))
    }
}

/// The error for settings that cannot be used.
pub(super) fn wrong(message: impl Into<String>) -> QueryError {
    QueryError::Misconfigured { message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings { url: url.into(), timeout: Duration::from_secs(1), auth: None, ca_pem: None }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let password = Secret::new("hunter2\n");
        assert_eq!(password, Secret::new("hunter2"));
        let basic = Auth::Basic { username: "banyan".into(), password };
        for auth in [basic, Auth::Bearer(Secret::new("hunter2"))] {
            let text = format!("{:?}", Settings { auth: Some(auth), ..settings("https://p") });
            assert!(!text.contains("hunter2") && text.contains("[secret]"), "{text}");
        }
    }

    #[test]
    fn a_path_before_the_api_is_kept() {
        for (url, base, query) in [
            ("https://p:9090", "https://p:9090", "https://p:9090/api/v1/query"),
            ("https://p:9090/", "https://p:9090", "https://p:9090/api/v1/query"),
            ("http://mimir/prometheus/", "http://mimir/prometheus", "http://mimir/prometheus/api/v1/query"),
        ] {
            let (server, address) = settings(url).addresses().unwrap();
            assert_eq!((server.as_str(), address.as_str()), (base, query));
        }
    }

    #[test]
    fn addresses_that_cannot_be_used_are_refused_without_showing_them() {
        for url in [
            "prometheus:9090",
            "ftp://p/",
            "https://",
            "https://user:hunter2@p/",
            "https://hunter2@p/",
            "https://p/?token=hunter2",
            "https://p/#hunter2",
            "not an address hunter2",
        ] {
            let error = settings(url).addresses().unwrap_err();
            assert_eq!(error.category(), "PrometheusMisconfigured");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn credentials_need_https() {
        let auth = Some(Auth::Bearer(Secret::new("t")));
        assert!(Settings { auth: auth.clone(), ..settings("https://p") }.addresses().is_ok());
        let error = Settings { auth, ..settings("http://p") }.addresses().unwrap_err();
        assert!(error.to_string().contains("https only"), "{error}");
    }
}
