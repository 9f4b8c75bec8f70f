// Command verifier holds receipts to Google's own code: notes, checkpoints, inclusion and consistency.
//
// It reads JSON Lines and answers each with one line, "accept" or "refuse: REASON".
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

type asked struct {
	Origin, Key, Entry, Proof string // an inclusion proof: public key in base64, 32 bytes
	Old, New                  uint64 // else a consistency proof, all in base64
	OldRoot, NewRoot          string
	Path                      []string
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var one asked
		err := json.Unmarshal(lines.Bytes(), &one)
		if err == nil && one.Proof != "" {
			err = inclusion(one)
		} else if err == nil {
			err = consistency(one)
		}
		if err != nil {
			fmt.Println("refuse:", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("accept")
		}
	}
}

func inclusion(one asked) error {
	head, signed, found := strings.Cut(one.Proof, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("no proof")
	}
	index, err := strconv.ParseUint(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	path, err := hashes(lines[2:])
	if err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(one.Key)
	if err != nil {
		return err
	}
	vkey, err := note.NewEd25519VerifierKey(one.Origin, raw)
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	checkpoint, rest, _, err := log.ParseCheckpoint([]byte(signed), one.Origin, verifier)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return errors.New("extension lines")
	}
	leaf := rfc6962.DefaultHasher.HashLeaf([]byte(one.Entry))
	return proof.VerifyInclusion(rfc6962.DefaultHasher, index, checkpoint.Size, leaf, path, checkpoint.Hash)
}

func consistency(one asked) error {
	path, err := hashes(one.Path)
	if err != nil {
		return err
	}
	roots, err := hashes([]string{one.OldRoot, one.NewRoot})
	if err != nil {
		return err
	}
	return proof.VerifyConsistency(rfc6962.DefaultHasher, one.Old, one.New, path, roots[0], roots[1])
}

func hashes(texts []string) ([][]byte, error) {
	found := make([][]byte, 0, len(texts))
	for _, text := range texts {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		found = append(found, raw)
	}
	return found, nil
}
