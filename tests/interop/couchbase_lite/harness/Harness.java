import com.couchbase.lite.Blob;
import com.couchbase.lite.BasicAuthenticator;
import com.couchbase.lite.Conflict;
import com.couchbase.lite.ConflictResolver;
import com.couchbase.lite.CouchbaseLite;
import com.couchbase.lite.CouchbaseLiteException;
import com.couchbase.lite.DataSource;
import com.couchbase.lite.Database;
import com.couchbase.lite.DatabaseConfiguration;
import com.couchbase.lite.Document;
import com.couchbase.lite.DocumentFlag;
import com.couchbase.lite.DocumentReplication;
import com.couchbase.lite.LogDomain;
import com.couchbase.lite.LogLevel;
import com.couchbase.lite.Meta;
import com.couchbase.lite.MutableDocument;
import com.couchbase.lite.QueryBuilder;
import com.couchbase.lite.ReplicatedDocument;
import com.couchbase.lite.Replicator;
import com.couchbase.lite.ReplicatorConfiguration;
import com.couchbase.lite.ReplicatorStatus;
import com.couchbase.lite.ReplicatorType;
import com.couchbase.lite.Result;
import com.couchbase.lite.ResultSet;
import com.couchbase.lite.SelectResult;
import com.couchbase.lite.SessionAuthenticator;
import com.couchbase.lite.URLEndpoint;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/**
 * Remote control for Couchbase Lite. A command is one line of JSON on standard input, with "id" and "do". The
 * answer is one line on standard output, with the same "id" and with "result" or "error". A replicator's reports to
 * its listeners are printed as lines with "event". Document bodies are sent as JSON strings, so that no number is
 * changed on the way. The log is written to standard error.
 *
 * <p>Arguments: the directory for the databases, and the log level (VERBOSE, INFO, WARNING ...).
 */
public final class Harness {
    private final PrintStream out;
    private final Map<String, Database> databases = new HashMap<>();
    private final Map<Integer, Replicator> replicators = new HashMap<>();

    private Harness(PrintStream out) {
        this.out = out;
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        System.setOut(System.err);
        File directory = new File(arguments[0]);
        CouchbaseLite.init(false, directory, new File(directory, "scratch"));
        Database.log.getConsole().setLevel(LogLevel.valueOf(arguments[1]));
        Database.log.getConsole().setDomains(LogDomain.ALL_DOMAINS);
        Harness harness = new Harness(out);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            harness.answer(new JSONObject(line));
        }
        System.exit(0); // End all threads that still run, because their output is no longer read.
    }

    private void answer(JSONObject command) throws JSONException {
        JSONObject answer = new JSONObject().put("id", command.getInt("id"));
        try {
            Object result = run(command);
            answer.put("result", result == null ? JSONObject.NULL : result);
        } catch (Exception | LinkageError error) {
            answer.put("error", describe(error));
        }
        say(answer);
    }

    private void say(JSONObject line) {
        synchronized (out) {
            out.println(line);
            out.flush();
        }
    }

    private Object run(JSONObject command) throws Exception {
        switch (command.getString("do")) {
            case "open":
                return open(command);
            case "close":
                databases.remove(command.getString("database")).close();
                return null;
            case "put":
                return put(command);
            case "put_many":
                return putMany(command);
            case "get":
                return get(command);
            case "delete":
                database(command).delete(document(command));
                return null;
            case "purge":
                database(command).purge(command.getString("document"));
                return null;
            case "put_blob":
                return putBlob(command);
            case "get_blob":
                return getBlob(command);
            case "ids":
                return ids(database(command));
            case "replicator":
                return replicator(command);
            case "start":
                replicator(command.getInt("replicator")).start(command.optBoolean("reset"));
                return null;
            case "stop":
                replicator(command.getInt("replicator")).stop();
                return null;
            case "status":
                return describe(replicator(command.getInt("replicator")).getStatus());
            case "pending":
                return new JSONArray(replicator(command.getInt("replicator")).getPendingDocumentIds());
            case "certificates":
                return certificates(replicator(command.getInt("replicator")));
            default:
                throw new IllegalArgumentException("no such command: " + command.getString("do"));
        }
    }

    // Databases and documents

    private Database database(JSONObject command) throws JSONException {
        Database database = databases.get(command.getString("database"));
        if (database == null) {
            throw new IllegalArgumentException("not open: " + command.getString("database"));
        }
        return database;
    }

    private Object open(JSONObject command) throws Exception {
        String name = command.getString("database");
        databases.put(name, new Database(name, new DatabaseConfiguration()));
        return null;
    }

    private Document document(JSONObject command) throws JSONException {
        Document document = database(command).getDocument(command.getString("document"));
        if (document == null) {
            throw new IllegalArgumentException("no such document: " + command.getString("document"));
        }
        return document;
    }

    private static String save(Database database, String id, String body) throws CouchbaseLiteException {
        Document before = database.getDocument(id);
        MutableDocument document =
                before == null ? new MutableDocument(id, body) : before.toMutable().setJSON(body);
        database.save(document);
        return document.getRevisionID();
    }

    private Object put(JSONObject command) throws Exception {
        return save(database(command), command.getString("document"), command.getString("body"));
    }

    private Object putMany(JSONObject command) throws Exception {
        Database database = database(command);
        JSONObject bodies = command.getJSONObject("bodies");
        database.inBatch(() -> {
            for (Iterator<?> ids = bodies.keys(); ids.hasNext(); ) {
                String id = (String) ids.next();
                save(database, id, bodies.getString(id));
            }
        });
        return null;
    }

    private Object get(JSONObject command) throws Exception {
        Document document = database(command).getDocument(command.getString("document"));
        if (document == null) {
            return null;
        }
        return new JSONObject().put("rev", document.getRevisionID()).put("body", document.toJSON());
    }

    private Object putBlob(JSONObject command) throws Exception {
        byte[] data = Base64.getDecoder().decode(command.getString("data"));
        MutableDocument document = document(command).toMutable();
        document.setBlob(command.getString("property"), new Blob(command.getString("type"), data));
        database(command).save(document);
        return document.getRevisionID();
    }

    private Object getBlob(JSONObject command) throws Exception {
        Blob blob = document(command).getBlob(command.getString("property"));
        if (blob == null) {
            return null;
        }
        byte[] data = blob.getContent();
        return new JSONObject()
                .put("type", blob.getContentType())
                .put("digest", blob.digest())
                .put("length", blob.length())
                .put("data", data == null ? JSONObject.NULL : Base64.getEncoder().encodeToString(data));
    }

    private static Object ids(Database database) throws Exception {
        JSONArray ids = new JSONArray();
        ResultSet results =
                QueryBuilder.select(SelectResult.expression(Meta.id)).from(DataSource.database(database)).execute();
        for (Result result : results) {
            ids.put(result.getString(0));
        }
        return ids;
    }

    // Replicators

    private Replicator replicator(int number) {
        return replicators.get(number);
    }

    private Object replicator(JSONObject command) throws Exception {
        ReplicatorConfiguration configuration =
                new ReplicatorConfiguration(database(command), new URLEndpoint(new URI(command.getString("url"))));
        configuration.setType(ReplicatorType.valueOf(command.getString("type")));
        configuration.setContinuous(command.getBoolean("continuous"));
        configuration.setConflictResolver(resolver(command.getString("resolver")));
        if (command.has("user")) {
            configuration.setAuthenticator(
                    new BasicAuthenticator(command.getString("user"), command.getString("password").toCharArray()));
        }
        if (command.has("session")) {
            configuration.setAuthenticator(new SessionAuthenticator(command.getString("session")));
        }
        if (command.has("certificate")) {
            byte[] pem = command.getString("certificate").getBytes(StandardCharsets.US_ASCII);
            Certificate certificate =
                    CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(pem));
            configuration.setPinnedServerCertificate(certificate.getEncoded());
        }
        if (command.has("channels")) {
            configuration.setChannels(strings(command.getJSONArray("channels")));
        }
        if (command.has("document_ids")) {
            configuration.setDocumentIDs(strings(command.getJSONArray("document_ids")));
        }
        if (command.has("headers")) {
            configuration.setHeaders(headers(command.getJSONObject("headers")));
        }
        if (command.has("max_attempts")) {
            configuration.setMaxAttempts(command.getInt("max_attempts"));
        }
        if (command.has("max_attempt_wait_time")) {
            configuration.setMaxAttemptWaitTime(command.getInt("max_attempt_wait_time"));
        }
        int number = replicators.size() + 1;
        Replicator replicator = new Replicator(configuration);
        replicators.put(number, replicator);
        replicator.addChangeListener(change -> told(number, "status", () -> describe(change.getStatus())));
        replicator.addDocumentReplicationListener(ended -> told(number, "documents", () -> describe(ended)));
        return number;
    }

    private interface Description {
        Object make() throws JSONException;
    }

    private void told(int replicator, String event, Description description) {
        try {
            say(new JSONObject().put("event", event).put("replicator", replicator).put("of", description.make()));
        } catch (JSONException error) {
            throw new IllegalStateException(error);
        }
    }

    private static ConflictResolver resolver(String kind) {
        switch (kind) {
            case "default":
                return ConflictResolver.DEFAULT;
            case "local":
                return Conflict::getLocalDocument;
            case "remote":
                return Conflict::getRemoteDocument;
            case "merge":
                return Harness::merge;
            case "delete":
                return conflict -> null;
            default:
                throw new IllegalArgumentException("no such resolver: " + kind);
        }
    }

    /** Returns the keys of both revisions, with the local value for a key in both. A live revision beats a deletion. */
    private static Document merge(Conflict conflict) {
        Document local = conflict.getLocalDocument();
        Document remote = conflict.getRemoteDocument();
        if (local == null || remote == null) {
            return local == null ? remote : local;
        }
        Map<String, Object> both = remote.toMap();
        both.putAll(local.toMap());
        return new MutableDocument(conflict.getDocumentId(), both);
    }

    private static Object certificates(Replicator replicator) throws Exception {
        JSONArray certificates = new JSONArray();
        List<Certificate> chain = replicator.getServerCertificates();
        for (Certificate certificate : chain == null ? List.<Certificate>of() : chain) {
            certificates.put(Base64.getEncoder().encodeToString(certificate.getEncoded()));
        }
        return certificates;
    }

    // JSON

    private static List<String> strings(JSONArray array) throws JSONException {
        List<String> strings = new ArrayList<>();
        for (int i = 0; i < array.length(); i++) {
            strings.add(array.getString(i));
        }
        return strings;
    }

    private static Map<String, String> headers(JSONObject object) throws JSONException {
        Map<String, String> headers = new HashMap<>();
        for (Iterator<?> names = object.keys(); names.hasNext(); ) {
            String name = (String) names.next();
            headers.put(name, object.getString(name));
        }
        return headers;
    }

    private static JSONObject describe(ReplicatorStatus status) throws JSONException {
        return new JSONObject()
                .put("level", status.getActivityLevel().name().toLowerCase(Locale.ROOT))
                .put("completed", status.getProgress().getCompleted())
                .put("total", status.getProgress().getTotal())
                .put("error", status.getError() == null ? JSONObject.NULL : describe(status.getError()));
    }

    private static JSONArray describe(DocumentReplication ended) throws JSONException {
        JSONArray documents = new JSONArray();
        for (ReplicatedDocument document : ended.getDocuments()) {
            documents.put(new JSONObject()
                    .put("id", document.getID())
                    .put("pushed", ended.isPush())
                    .put("deleted", document.getFlags().contains(DocumentFlag.DELETED))
                    .put("removed", document.getFlags().contains(DocumentFlag.ACCESS_REMOVED))
                    .put("error", document.getError() == null ? JSONObject.NULL : describe(document.getError())));
        }
        return documents;
    }

    private static JSONObject describe(Throwable error) throws JSONException {
        JSONObject described = new JSONObject().put("message", String.valueOf(error.getMessage()));
        if (error instanceof CouchbaseLiteException) {
            CouchbaseLiteException known = (CouchbaseLiteException) error;
            return described.put("domain", known.getDomain()).put("code", known.getCode());
        }
        return described.put("domain", error.getClass().getName()).put("code", 0);
    }
}
