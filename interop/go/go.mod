module raftcore.example/interop

go 1.26
