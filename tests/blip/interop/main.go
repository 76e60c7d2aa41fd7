// A BLIP peer that uses Couchbase's own Go library. The tests connect to it over a loopback WebSocket.
//
//	blipinterop serve        listens, prints its port, and answers requests until its standard input closes
//	blipinterop dial URL     sends requests to the peer at URL, checks the answers, and prints the errors
//
// Both sides of the tests answer the same profiles:
//
//	echo     the same body, and the properties with "Re-" before their names
//	digest   the SHA-256 of the body, in hexadecimal
//	make     Size bytes, of the kind in Pattern
//	fail     an error with Domain and Code, and the body as its message
//	note     no reply; the request is counted
//	notes    the number of notes counted
//	ask      sends Count echo requests of Size bytes over the same connection, and answers with the number of replies
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/couchbase/go-blip"
)

const subprotocol = "CBMobile_3"

func main() {
	context, err := blip.NewContext(blip.ContextOptions{ProtocolIds: []string{subprotocol}})
	if err != nil {
		fatal(err)
	}
	context.Logger = func(_ blip.LogEventType, format string, params ...interface{}) {
		fmt.Fprintf(os.Stderr, format+"\n", params...)
	}
	answerAll(context)
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		serve(context)
	case len(os.Args) == 3 && os.Args[1] == "dial":
		dial(context, os.Args[2])
	default:
		fatal(fmt.Errorf("usage: blipinterop serve | dial URL"))
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}

func serve(context *blip.Context) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fatal(http.Serve(listener, context.WebSocketServer()))
}

//////// Answering

func answerAll(context *blip.Context) {
	var notes atomic.Int64
	handle := func(profile string, handler func(request, response *blip.Message, body []byte)) {
		context.HandlerForProfile[profile] = func(request *blip.Message) {
			body, err := request.Body()
			if err != nil {
				panic(err)
			}
			handler(request, request.Response(), body)
		}
	}
	handle("echo", func(request, response *blip.Message, body []byte) {
		for name, value := range request.Properties {
			response.Properties["Re-"+name] = value
		}
		response.SetCompressed(request.Compressed())
		response.SetBody(body)
	})
	handle("digest", func(_, response *blip.Message, body []byte) {
		response.SetBody([]byte(digest(body)))
	})
	handle("make", func(request, response *blip.Message, _ []byte) {
		response.SetCompressed(request.Compressed())
		response.SetBody(pattern(request.Properties["Pattern"], number(request, "Size")))
	})
	handle("fail", func(request, response *blip.Message, body []byte) {
		response.SetError(request.Properties["Domain"], number(request, "Code"), string(body))
	})
	handle("note", func(_, _ *blip.Message, _ []byte) {
		notes.Add(1)
	})
	handle("notes", func(_, response *blip.Message, _ []byte) {
		response.SetBody([]byte(strconv.FormatInt(notes.Load(), 10)))
	})
	handle("ask", func(request, response *blip.Message, _ []byte) {
		count, size := number(request, "Count"), number(request, "Size")
		var good atomic.Int64
		inParallel(count, func(i int) {
			body := pattern("text", size+i)
			_, echoed, err := ask(request.Sender, question{profile: "echo", body: body, compressed: i%2 == 0})
			if err == nil && bytes.Equal(echoed, body) {
				good.Add(1)
			}
		})
		response.SetBody([]byte(strconv.FormatInt(good.Load(), 10)))
	})
}

func number(message *blip.Message, name string) int {
	value, err := strconv.Atoi(message.Properties[name])
	if err != nil {
		panic(err)
	}
	return value
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// pattern returns the same bytes as the function pattern in talker.py. "text" compresses well, "noise" does not,
// and "blank" compresses to almost nothing.
func pattern(kind string, size int) []byte {
	var out bytes.Buffer
	block := []byte(kind)
	for i := 0; out.Len() < size; i++ {
		switch kind {
		case "blank":
			out.Write(make([]byte, size))
		case "text":
			fmt.Fprintf(&out, "line %d of the engine's log\n", i)
		default:
			sum := sha256.Sum256(block)
			block = sum[:]
			out.Write(block)
		}
	}
	return out.Bytes()[:size]
}

//////// Asking

type question struct {
	profile                     string
	properties                  blip.Properties
	body                        []byte
	urgent, compressed, noReply bool
}

func ask(sender *blip.Sender, q question) (*blip.Message, []byte, error) {
	request := blip.NewRequest()
	for name, value := range q.properties {
		request.Properties[name] = value
	}
	request.SetProfile(q.profile)
	request.SetBody(q.body)
	request.SetUrgent(q.urgent)
	request.SetCompressed(q.compressed)
	request.SetNoReply(q.noReply)
	if !sender.Send(request) {
		return nil, nil, fmt.Errorf("%s was not sent", q.profile)
	}
	if q.noReply {
		return nil, nil, nil
	}
	response := request.Response()
	body, err := response.Body()
	return response, body, err
}

func inParallel(count int, work func(i int)) {
	var all sync.WaitGroup
	for i := range count {
		all.Add(1)
		go func() {
			defer all.Done()
			work(i)
		}()
	}
	all.Wait()
}

func dial(context *blip.Context, url string) {
	sender, err := context.Dial(url)
	if err != nil {
		fatal(err)
	}
	var wrong atomic.Int64
	check := func(good bool, format string, params ...interface{}) {
		if !good {
			wrong.Add(1)
			fmt.Printf(format+"\n", params...)
		}
	}

	inParallel(400, func(i int) {
		body := pattern([]string{"text", "noise"}[i%2], i*13)
		response, echoed, err := ask(sender, question{
			profile:    "echo",
			properties: blip.Properties{"Name": fmt.Sprintf("motor № %d", i)},
			body:       body,
			urgent:     i%5 == 0,
			compressed: i%3 != 0,
		})
		check(err == nil, "echo %d: %v", i, err)
		check(bytes.Equal(echoed, body), "echo %d: %d bytes came back as %d others", i, len(body), len(echoed))
		check(response.Properties["Re-Name"] == fmt.Sprintf("motor № %d", i), "echo %d: %v", i, response.Properties)
		check(response.Urgent() == (i%5 == 0), "echo %d: urgency", i)
	})

	inParallel(12, func(i int) {
		kind := []string{"text", "noise", "blank"}[i%3]
		body := pattern(kind, 3_000_000+i)
		q := question{profile: "digest", body: body, urgent: i%4 == 0, compressed: i%2 == 0}
		_, sum, err := ask(sender, q)
		check(err == nil && string(sum) == digest(body), "digest %d of %s: %s, %v", i, kind, sum, err)
		q = question{
			profile:    "make",
			properties: blip.Properties{"Size": strconv.Itoa(3_000_000 + i), "Pattern": kind},
			urgent:     i%4 == 0,
			compressed: i%2 == 0,
		}
		_, made, err := ask(sender, q)
		check(err == nil && bytes.Equal(made, body), "make %d of %s: %d bytes, %v", i, kind, len(made), err)
	})

	fail := question{
		profile:    "fail",
		properties: blip.Properties{"Domain": "HTTP", "Code": "409"},
		body:       []byte("conflict"),
	}
	response, body, err := ask(sender, fail)
	check(err == nil && response.Type() == blip.ErrorType, "fail: a response of type %v, %v", response.Type(), err)
	check(response.Properties["Error-Domain"] == "HTTP", "fail: %v", response.Properties)
	check(response.Properties["Error-Code"] == "409", "fail: %v", response.Properties)
	check(string(body) == "conflict", "fail: %q", body)

	response, _, _ = ask(sender, question{profile: "nobody knows this"})
	check(response.Properties["Error-Code"] == "404", "unknown profile: %v", response.Properties)

	for i := range 200 {
		_, _, _ = ask(sender, question{profile: "note", body: pattern("text", i), noReply: true, compressed: i%2 == 0})
	}
	_, body, err = ask(sender, question{profile: "notes"})
	check(err == nil && string(body) == "200", "notes: %q, %v", body, err)

	sender.Close()
	if wrong.Load() > 0 {
		os.Exit(1)
	}
	fmt.Println("all well")
}
