// Uses @rc-ex/core as an app would; only the server's URL is another. Prints what it saw as one JSON object.
import RingCentral from '@rc-ex/core';

const [server, clientId, clientSecret, jwt] = process.argv.slice(2);
const client = new RingCentral({ server, clientId, clientSecret });

async function tried(path) {
    try {
        const response = await client.get(path);
        return { status: response.status, members: Object.keys(response.data) };
    } catch (error) {
        return { status: error.response?.status, message: error.message, body: error.response?.data };
    }
}

const seen = {};
await client.authorize({ jwt });
const first = client.token.access_token;
seen.allowed = await tried('/restapi/v1.0/account/~');
seen.denied = await tried('/restapi/v1.0/account/~/call-log');
seen.short = await tried('/restapi/v1.0/account/~/extension/~/active-calls');
await client.refresh();
seen.renewed = client.token.access_token !== first;
seen.after = await tried('/restapi/v1.0/account/~');
seen.still = await tried('/restapi/v1.0/account/~/call-log');
await client.revoke();
seen.logout = 200;
seen.loggedIn = client.token !== undefined;
console.log(JSON.stringify(seen));
