"""Identities in a fleet, and who may write which document.

- `names`: a vessel's name in its certificate
- `signatures`: ECDSA over canonical JSON; documents signed by the fleet's CA
- `revocations`: the revoked certificates, signed by the CA
- `radio_key`: a new key for the radio between vessels, sealed for each authorised vessel
- `trust`: which vessel a certificate belongs to, and why one is not acceptable
- `signing`: a vessel's signature on its own documents
- `identity_files`: the folder that makes an appliance a vessel of its fleet; `identity_names`: its files
- `effective_trust`: what is trusted now, from those files and newer documents
- `generations`: the maximum generation of a document
- `rights`: who may write which document
- `unvouched_revisions`: removal of revisions that nobody vouches for
- `conflict_resolvers`: how conflicts between revisions of Logboat's documents are resolved
- `users`: the crew's passwords
- `errors`: the exceptions of all these
"""
