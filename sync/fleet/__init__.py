"""Identities in a fleet, and write access to its documents.

- `names`: a vessel's name in its certificate
- `signatures`: ECDSA over canonical JSON; documents signed by the fleet's CA
- `revocations`: the revoked certificates, signed by the CA
- `radio_key`: a new key for the radio between vessels, sealed for each authorised vessel
- `trust`: which vessel a certificate belongs to, or why the certificate is not accepted
- `signing`: a vessel's signature on its own documents
- `identity_files`: the folder with a vessel's identity; `identity_names`: the names of its files
- `effective_trust`: the current trust, from the identity files and newer documents
- `generations`: the maximum generation of a document
- `rights`: the rules of who may write which document
- `unvouched_revisions`: removal of stored revisions whose generation is too high
- `conflict_resolvers`: resolution of conflicts between revisions of Logboat's documents
- `acknowledgements`, `silences`: how users acknowledge and silence alarms; `severities`: how severe an alarm
  is
- `users`: the crew's passwords
- `errors`: the exceptions of these modules
"""
