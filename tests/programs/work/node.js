// Workers, transferred buffers, the thread pool's compression and hashes, WebAssembly memory.
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const zlib = require('zlib');
const crypto = require('crypto');
const { execFileSync } = require('child_process');

const sha = (x) => crypto.createHash('sha1').update(x).digest('hex');
let seed = isMainThread ? 11 : workerData;
const following = (n) => { seed = (seed * 16807) % 2147483647; return seed % n; };

function churn(rounds) {
  const live = new Array(400);
  let total = 0;
  for (let i = 0; i < rounds; i++) {
    const at = following(live.length);
    if (live[at]) total = (total + live[at][0] + live[at].length) % 1000000007;
    live[at] = Buffer.allocUnsafeSlow(1 + following(i % 50 === 0 ? 300000 : 3000)).fill(i & 255);
  }
  return total;
}

if (!isMainThread) {
  const text = JSON.stringify(Array.from({ length: 20000 }, (_, i) => ({ i, s: 'x'.repeat(i % 40) })));
  const packed = zlib.gzipSync(text);
  const same = zlib.gunzipSync(packed).toString() === text;
  const buffer = new Uint8Array(1 << 20).fill(workerData & 255).buffer;
  parentPort.postMessage({ id: workerData, churn: churn(8000), same, objects: JSON.parse(text).length,
                           buffer }, [buffer]);
} else {
  const results = [];
  const workers = [101, 202, 303, 404].map((n) => new Promise((resolve, reject) => {
    const w = new Worker(__filename, { workerData: n });
    w.on('message', (m) => results.push(
      `${m.id} ${m.churn} ${m.same} ${m.objects} ${sha(new Uint8Array(m.buffer))}`));
    w.on('error', reject);
    w.on('exit', resolve);
  }));
  const pool = Array.from({ length: 12 }, (_, i) => new Promise((resolve) =>
    zlib.deflate(Buffer.alloc(400000, `part ${i} `), { level: 1 + i % 9 }, (error, out) =>
      zlib.inflate(out, (error2, back) => resolve(`${i} ${sha(back)}`)))));
  const key = new Promise((resolve) => crypto.scrypt('word', 'salt', 32, { N: 4096 },
    (error, out) => resolve(out.toString('hex'))));
  Promise.all([...workers, ...pool, key]).then((all) => {
    console.log(results.sort().join('\n'));
    console.log(all.slice(4).join('\n'));
    console.log(churn(20000));
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 512 });
    memory.grow(256);
    console.log(memory.buffer.byteLength);
    console.log(execFileSync('/bin/sh', ['-c', 'echo from a child']).toString().trim());
  });
}
