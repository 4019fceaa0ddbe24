// Uses @ringcentral/sdk as an app would; only the server's URL is another. Prints what it saw as one JSON object.
import ringcentral from '@ringcentral/sdk';

const [server, clientId, clientSecret, jwt] = process.argv.slice(2);
const sdk = new ringcentral.SDK({ server, clientId, clientSecret });
const platform = sdk.platform();

async function tried(path) {
    try {
        const response = await platform.get(path);
        return { status: response.status, members: Object.keys(await response.json()) };
    } catch (error) {
        return { status: error.response?.status, message: error.message, body: await error.response?.json() };
    }
}

const seen = {};
await platform.login({ jwt });
const first = (await platform.auth().data()).access_token;
seen.allowed = await tried('/restapi/v1.0/account/~');
seen.denied = await tried('/restapi/v1.0/account/~/call-log');
seen.short = await tried('/restapi/v1.0/account/~/extension/~/active-calls');
await platform.refresh();
seen.renewed = (await platform.auth().data()).access_token !== first;
seen.after = await tried('/restapi/v1.0/account/~');
seen.still = await tried('/restapi/v1.0/account/~/call-log');
seen.logout = (await platform.logout()).status;
seen.loggedIn = await platform.auth().accessTokenValid();
console.log(JSON.stringify(seen));
