-- What every database has, whatever the pipeline; run before the first script that it lacks.
CREATE TABLE IF NOT EXISTS schema_migrations (
    pipeline text NOT NULL,
    version integer NOT NULL,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, version)
);

-- Days of history are partitions. To make and drop them one must own the table; these two functions run as
-- whoever owns them, so that the role that writes needs EXECUTE on them and owns nothing.
-- search_path holds no schema of a user, so that regclass::text is a qualified name.

-- Make the partition <table>_YYYYMMDD (of UTC) and move there what the default partition has of that day. It is
-- made aside and attached, which lets others read and write the table meanwhile. Returns 1.
CREATE OR REPLACE FUNCTION eagleray_add_day(parent regclass, day date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    place text;
    at name;
    other regclass;
BEGIN
    SELECT format('%I.%I', n.nspname, c.relname || to_char(day, '_YYYYMMDD')), a.attname,
        nullif(p.partdefid, 0)::regclass
    INTO STRICT place, at, other
    FROM pg_partitioned_table p
    JOIN pg_class c ON c.oid = p.partrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = parent;
    PERFORM pg_advisory_xact_lock(parent::oid::bigint);
    -- Not to_regclass(place): it may answer from a cache of before the lock was waited for.
    IF EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE format('%I.%I', n.nspname, c.relname) = place
    ) THEN
        RETURN 1;
    END IF;
    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL)', place, parent);
    IF other IS NOT NULL THEN
        EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', other);
        EXECUTE format(
            'WITH moved AS (DELETE FROM %s WHERE %I >= %L AND %I < %L RETURNING *) INSERT INTO %s TABLE moved',
            other, at, day::timestamptz, at, (day + 1)::timestamptz, place
        );
    END IF;
    EXECUTE format(
        'ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
        parent, place, day::timestamptz, (day + 1)::timestamptz
    );
    RETURN 1;
END $$;

-- Drop the oldest partition <table>_YYYYMMDD that ends at `before` or earlier; from the default partition, delete
-- up to `most` rows that are older. Returns how many rows went.
CREATE OR REPLACE FUNCTION eagleray_drop_day(parent regclass, before timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    at name;
    other regclass;
    oldest regclass;
    gone bigint;
    dropped bigint := 0;
BEGIN
    SELECT a.attname, nullif(p.partdefid, 0)::regclass INTO STRICT at, other
    FROM pg_partitioned_table p
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = parent;
    PERFORM pg_advisory_xact_lock(parent::oid::bigint);
    SELECT c.oid::regclass INTO oldest
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    JOIN pg_class t ON t.oid = i.inhparent
    WHERE i.inhparent = parent AND left(c.relname, -9) = t.relname AND c.relname ~ '_\d{8}$'
        AND (to_date(right(c.relname, 8), 'YYYYMMDD') + 1)::timestamptz <= before
    ORDER BY c.relname
    LIMIT 1;
    IF oldest IS NOT NULL THEN
        EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', parent);
        EXECUTE format('SELECT count(*) FROM %s', oldest) INTO dropped;
        EXECUTE format('DROP TABLE %s', oldest);
    END IF;
    IF other IS NOT NULL THEN
        EXECUTE format(
            'DELETE FROM %s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %s WHERE %I < %L LIMIT %s))',
            other, other, at, before, most
        );
        GET DIAGNOSTICS gone = ROW_COUNT;
        dropped := dropped + gone;
    END IF;
    RETURN dropped;
END $$;

REVOKE ALL ON FUNCTION eagleray_add_day(regclass, date) FROM PUBLIC;
REVOKE ALL ON FUNCTION eagleray_drop_day(regclass, timestamptz, integer) FROM PUBLIC;
