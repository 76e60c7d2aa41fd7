"""Who is who in a fleet, and who may write what.

- `names`: what a certificate calls a vessel
- `signatures`: ECDSA over canonical JSON; documents that the fleet's CA has signed
- `revocations`: the certificates that hold no longer, as the CA says
- `radio_key`: another key for the radio between vessels, sealed for each that may have it
- `trust`: which certificate is whose, and why one is not acceptable
- `signing`: a vessel's signature under its own documents
- `identity_files`: the folder that makes an appliance a vessel of its fleet; `identity_names`: its files
- `standing`: what is trusted now, by those files and by what has come since
- `generations`: how high a document's generation may be
- `rights`: who may write which document
- `mending`: removes from a store what nobody vouches for
- `users`: the crew's passwords
- `errors`: what can be wrong with all that
"""
