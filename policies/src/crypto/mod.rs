//! Cryptography as Kubernetes objects show it (密评, GB/T 39786): certificates and their algorithms, and an inventory of what is in use.
//!
//! Nothing here computes a signature or a cipher. Certificates are read, never verified, so that one signed with SM2 is read as well as any other;
//! of private keys only their presence is told.

mod algorithm;
mod certificate;
pub mod inventory;
mod name;
mod pem;
mod public;

pub use algorithm::{Answer, Hash, KeyAlgorithm, Signature};
pub use certificate::{Certificate, CertificateError, LONGEST, MOST, PublicKey, certificates};
pub use inventory::{Inventory, inventory};
pub use public::public_part;

#[cfg(test)]
mod tests;
