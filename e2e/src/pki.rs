//! Certificates: one authority per control plane, and what it signs.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, SanType,
};

/// A certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// The private key, PKCS #8, ECDSA on P-256.
    pub key: String,
}

/// The files of a [`Pair`].
#[derive(Clone, Debug)]
pub struct PairFiles {
    /// The certificate's file.
    pub cert: PathBuf,
    /// The key's file, readable by its owner only.
    pub key: PathBuf,
}

impl Pair {
    /// Writes `<name>.crt` and `<name>.key` into the folder.
    pub fn write(&self, folder: &Path, name: &str) -> Result<PairFiles> {
        let files =
            PairFiles { cert: folder.join(format!("{name}.crt")), key: folder.join(format!("{name}.key")) };
        write_private(&files.cert, &self.cert)?;
        write_private(&files.key, &self.key)?;
        Ok(files)
    }
}

/// A certificate authority that lives as long as the control plane it was made for.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority with a new key. `name` is its common name.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let issuer =
            CertifiedIssuer::self_signed(params, KeyPair::generate()?).context("signing the authority")?;
        Ok(Self { issuer })
    }

    /// The authority's own certificate, PEM.
    pub fn cert(&self) -> String {
        self.issuer.pem()
    }

    /// The authority's certificate and key, for components that sign certificates themselves.
    pub fn pair(&self) -> Pair {
        Pair { cert: self.cert(), key: self.issuer.key().serialize_pem() }
    }

    /// A certificate for a server on this machine: 127.0.0.1, `localhost` and the names of the Kubernetes service. It
    /// may be shown as a client certificate too, which etcd's peers and gateway ask for.
    pub fn server(&self, name: &str) -> Result<Pair> {
        let names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let mut params = CertificateParams::new(names.map(String::from))?;
        params.subject_alt_names.push(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()));
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, name, &[])
    }

    /// A client certificate. Kubernetes reads the user from the common name and the groups from the organisations.
    pub fn client(&self, user: &str, groups: &[&str]) -> Result<Pair> {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, user, groups)
    }

    fn sign(&self, mut params: CertificateParams, name: &str, groups: &[&str]) -> Result<Pair> {
        params.distinguished_name = distinguished_name(name, groups);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let cert = params.signed_by(&key, &self.issuer).with_context(|| format!("signing {name}"))?;
        Ok(Pair { cert: cert.pem(), key: key.serialize_pem() })
    }
}

/// A key pair without a certificate, as service account tokens are signed with; `cert` holds the public key.
pub fn bare_key() -> Result<Pair> {
    let key = KeyPair::generate()?;
    Ok(Pair { cert: key.public_key_pem(), key: key.serialize_pem() })
}

/// Writes a file that only its owner may read, in one step: a reader sees the old content or the new.
pub fn write_private(path: &Path, content: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let writing = || format!("writing {}", path.display());
    // Temporary files are made readable by their owner only.
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(writing)?;
    file.write_all(content.as_bytes()).with_context(writing)?;
    file.persist(path).with_context(writing)?;
    Ok(())
}

fn distinguished_name(name: &str, groups: &[&str]) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    for group in groups {
        distinguished.push(DnType::OrganizationName, *group);
    }
    distinguished.push(DnType::CommonName, name);
    distinguished
}
