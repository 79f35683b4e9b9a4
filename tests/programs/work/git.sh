#!/bin/sh
# A repository with branches and 60 commits: cloned, packed, collected, checked, searched.
set -eu
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=A \
    GIT_COMMITTER_EMAIL=a@example.org GIT_CONFIG_NOSYSTEM=1
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global pack.threads 2
git init -q origin
cd origin
for i in $(seq 60); do
    GIT_AUTHOR_DATE="$((1700000000 + i * 60)) +0000"
    GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
    export GIT_AUTHOR_DATE GIT_COMMITTER_DATE
    if [ $((i % 20)) -eq 0 ]; then git checkout -q -b "branch$i"; fi
    mkdir -p "dir$((i % 7))"
    seq "$i" $((i * 40)) >"dir$((i % 7))/file$((i % 11))"
    seq $((i * 1000)) | cksum >>log
    git add -A
    git commit -q -m "commit $i"
done
git checkout -q main
git merge -q --no-edit branch20 2>&1
cd ..
git clone -q --no-local origin copy
git clone -q --bare --mirror origin mirror.git
cd copy
git log --oneline --stat --all | cksum
git blame -s log | tail -n 3
git grep -c 99 | sort
git diff HEAD~15 HEAD | cksum
git repack -q -a -d -f --window=20 --depth=20
git gc -q --aggressive --prune=now
git fsck --full --strict 2>&1
git count-objects -v | grep -E 'in-pack|packs|garbage'
git rev-parse HEAD
git archive HEAD | tar -t | cksum
git rebase -q HEAD~3 2>&1
git bundle create -q ../all.bundle --all
git bundle verify -q ../all.bundle && git rev-list --objects --all | wc -l
