module logboat/blipinterop

go 1.23

require github.com/couchbase/go-blip v0.0.0-20260106113615-002c1b20b67a

require (
	github.com/coder/websocket v1.8.12 // indirect
	github.com/klauspost/compress v1.17.11 // indirect
)
