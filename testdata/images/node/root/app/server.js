// A small HTTP server for the tests, and the requests of it.
//
//   GET  /square?n=N         N squared, by a worker thread
//   GET  /child              what a child process printed
//   POST /note               writes the body to a file, renamed into place
//   GET  /note               reads it
//   GET  /debug/run          starts /usr/bin/id: the hole an attacker uses
//
// It serves and asks itself each of them, the last one only where the first
// argument is "attack". It prints "passed", or "attack refused".
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

if (!isMainThread) {
  parentPort.postMessage(workerData * workerData);
} else {
  const assert = require('assert');
  const { execFile } = require('child_process');
  const fs = require('fs/promises');
  const http = require('http');
  const { promisify } = require('util');
  const run = promisify(execFile);
  const file = (process.env.DATA || '/data') + '/note';
  const port = Number(process.env.PORT);

  const square = (n) => new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: n });
    worker.on('message', resolve);
    worker.on('error', reject);
  });

  const route = async (request, url) => {
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /square': return String(await square(Number(url.searchParams.get('n'))));
      case 'GET /child': return (await run('/usr/bin/uname', ['-s'])).stdout.trim();
      case 'GET /note': return fs.readFile(file, 'utf8');
      case 'GET /debug/run': return (await run('/usr/bin/id')).stdout;
      case 'POST /note': {
        let body = '';
        for await (const part of request) body += part;
        await fs.writeFile(file + '.new', body);
        await fs.rename(file + '.new', file);
        return 'written';
      }
    }
    throw new Error('no such page');
  };

  const server = http.createServer(async (request, response) => {
    try {
      response.end(await route(request, new URL(request.url, 'http://localhost')));
    } catch (e) {
      response.statusCode = 500;
      response.end(String(e));
    }
  });

  const ask = (method, path, body) => new Promise((resolve, reject) => {
    http.request({ host: '127.0.0.1', port, method, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (part) => { text += part; });
      response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))));
    }).on('error', reject).end(body);
  });

  server.listen(port, '127.0.0.1', async () => {
    const squares = await Promise.all([1, 2, 3, 4].map((n) => ask('GET', `/square?n=${n}`)));
    assert.deepStrictEqual(squares, ['1', '4', '9', '16']);
    assert.strictEqual(await ask('GET', '/child'), 'Linux');
    assert.strictEqual(await ask('POST', '/note', 'text'), 'written');
    assert.strictEqual(await ask('GET', '/note'), 'text');
    if (process.argv[2] === 'attack') {
      await ask('GET', '/debug/run').then(() => console.log('attack done'), () => console.log('attack refused'));
    } else {
      console.log('passed');
    }
    server.close();
  });
}
