// A goroutine for each endpoint, as a Go checker is written: `raw` dials and reads with net and bufio,
// `client` makes a net/http client per proxy. Both parse the judge's JSON, look for the nonce and classify.
// goclient raw|client FILE IN_FLIGHT JUDGE_URL; prints how many were checked and how many are good.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type answer struct {
	Origin  string            `json:"origin"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

var traces = []string{"Via", "Forwarded", "X-Forwarded-For", "X-Real-Ip", "Proxy-Connection", "Client-Ip"}

func judged(body io.Reader, nonce string) bool {
	var got answer
	if json.NewDecoder(io.LimitReader(body, 65536)).Decode(&got) != nil || !strings.Contains(got.URL, nonce) {
		return false
	}
	for _, name := range traces {
		if value, found := got.Headers[name]; found && strings.Contains(value, "127.0.0.1") {
			return true
		}
	}
	return true
}

func raw(endpoint, judge string) bool {
	nonce := strconv.FormatUint(rand.Uint64(), 16)
	conn, err := net.DialTimeout("tcp", endpoint, 2*time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(8 * time.Second))
	fmt.Fprintf(conn, "GET %s?n=%s HTTP/1.1\r\nHost: judge\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nConnection: close\r\n\r\n", judge, nonce)
	reply, err := http.ReadResponse(bufio.NewReaderSize(conn, 2048), nil)
	if err != nil {
		return false
	}
	defer reply.Body.Close()
	return reply.StatusCode == 200 && judged(reply.Body, nonce)
}

func client(endpoint, judge string) bool {
	nonce := strconv.FormatUint(rand.Uint64(), 16)
	proxy := &url.URL{Scheme: "http", Host: endpoint}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}
	got, err := (&http.Client{Transport: transport, Timeout: 8 * time.Second}).Get(judge + "?n=" + nonce)
	if err != nil {
		return false
	}
	defer got.Body.Close()
	return got.StatusCode == 200 && judged(got.Body, nonce)
}

func main() {
	check := map[string]func(string, string) bool{"raw": raw, "client": client}[os.Args[1]]
	file, _ := os.Open(os.Args[2])
	limit, _ := strconv.Atoi(os.Args[3])
	slots := make(chan struct{}, limit)
	var good, all atomic.Int64
	var running sync.WaitGroup
	for lines := bufio.NewScanner(file); lines.Scan(); {
		endpoint := lines.Text()
		slots <- struct{}{}
		running.Add(1)
		go func() {
			defer func() { <-slots; running.Done() }()
			all.Add(1)
			if check(endpoint, os.Args[4]) {
				good.Add(1)
			}
		}()
	}
	running.Wait()
	fmt.Println(all.Load(), good.Load())
}
